"""How long the pages of both sites take on a large platform, with gunicorn."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

from django.contrib import admin
from django.db.models import Model

from config.admin.agency import agency_site
from core.admin.pages import PAGES_OF_PANELS
from tests import databases
from tests.benchmarks.http import server
from tests.benchmarks.platform import AGENCIES, make_platform, make_readers
from tests.web import session_of

TIMES = 20
GOAL = 200  # ms, 95 of 100
WORST = 15  # pages that are listed by name


def measure() -> dict[str, object]:
    """The time of 95 of 100 requests, over all pages and of the slowest ones."""
    name = databases.clone()
    databases.use(name)
    now = datetime.now(UTC)
    make_platform(now.date())
    readers = make_readers(now=now)
    measured: dict[str, list[float]] = {}
    with server(name) as port:
        for who, user in readers.items():
            cookie = "=".join(session_of(user))
            for path in _paths(who):
                seconds = _get(port, path, cookie)
                if seconds:
                    measured[f"{who}: {path}"] = sorted(seconds)
    databases.use("postgres")
    databases.drop(name)
    slow = {page: _percentile(times) for page, times in measured.items()}
    worst = sorted(slow, key=lambda page: -slow[page])[:WORST]
    return {
        "pages": len(slow),
        f"pages with 95 of 100 within {GOAL} ms": sum(
            ms <= GOAL for ms in slow.values()
        ),
        "slowest of them, ms (95 of 100)": max(slow.values()),
        **{f"`{page}`, ms": slow[page] for page in worst},
    }


def _paths(who: str) -> Iterator[str]:
    """The lists, the newest row of each, a search in it, and the pages of panels."""
    site: Any = admin.site if who == "staff" else agency_site
    root = "/admin/" if who == "staff" else "/agency/"
    yield root
    for page in PAGES_OF_PANELS:
        if page.site == site.name and page.path and "<" not in page.path:
            yield root + page.path
    for model, page in site._registry.items():
        base = f"{root}{model._meta.app_label}/{model._meta.model_name}/"
        yield base
        if page.search_fields:
            yield f"{base}?q=B77"
        if row := _newest(model, page, who):
            yield f"{base}{row.pk}/change/"


def _newest(model: type[Model], page: Any, who: str) -> Any:
    rows = model._default_manager.order_by("-pk")
    if who != "staff":
        code = {"IMO": "B1", "agency": f"B{AGENCIES}"}[who]
        path = page.agency_path
        rows = rows.filter(**{f"{path}__code" if path != "pk" else "code": code})
    return rows.first()


def _get(port: int, path: str, cookie: str) -> list[float]:
    """Seconds of each request; empty if the page is not this person's."""
    client = HTTPConnection("127.0.0.1", port, timeout=60)
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        client.request("GET", path, headers={"Cookie": cookie})
        answer = client.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - started)
        if answer.status in {302, 403, 404}:
            return []
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    client.close()
    return seconds


def _percentile(seconds: list[float]) -> int:
    """95 of 100, in ms."""
    return round(seconds[len(seconds) * 95 // 100] * 1000)
