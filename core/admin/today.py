"""Today: the first page of the staff site. It lists what waits for a person.

    @waits("Parked payers", order=10, permission=..., todo="Release them.", url=...)
    def parked_payers(now: datetime) -> Waiting: ...

Each room adds a line for what it cannot settle by itself. A line reads a bounded number
of rows by an index, in one query, and a line that a person may not see is not computed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from core.admin.pages import StaffPanels
from core.admin.panels import Cell, Link, Panel, Table

MOST = 500  # rows that are counted; of more, the page says so
TODAY = StaffPanels(
    name="today",
    path="",
    title="Today",
    permission="",
    menu=("Today", "What waits"),
)


class Waiting(NamedTuple):
    """How many rows wait, at most MOST + 1, and since when the first of them does.

    Of what expires, `since` lies ahead: when the first of them does.
    """

    number: int
    since: datetime | None


class Line(NamedTuple):
    """What may wait for a person, and what the person then does about it."""

    order: int
    title: str
    permission: str
    todo: str
    url: Callable[[], str]
    read: Callable[[datetime], Waiting]


LINES: list[Line] = []


def waits(
    title: str, *, order: int, permission: str, todo: str, url: Callable[[], str]
) -> Callable[[Callable[[datetime], Waiting]], Callable[[datetime], Waiting]]:
    """Add a line to Today. `url` is the list that shows the rows that wait."""

    def add(read: Callable[[datetime], Waiting]) -> Callable[[datetime], Waiting]:
        LINES.append(Line(order, title, permission, todo, url, read))
        return read

    return add


def waiting(rows: QuerySet[Any], since: Any) -> Waiting:
    """Count rows by the column, or expression, that says since when each waits.

    Reads at most MOST + 1 rows; an index should give them in this order.
    """
    times = list(rows.order_by(since).values_list(since, flat=True)[: MOST + 1])
    return Waiting(len(times), times[0] if times else None)


def list_of(name: str, **query: Any) -> Callable[[], str]:
    """The address of a list of the staff site with a filter, for `waits`."""

    def address() -> str:
        url = reverse(f"admin:{name}_changelist")
        return f"{url}?{urlencode(query)}" if query else url

    return address


def age_text(since: datetime | None, now: datetime) -> str:
    """How long something has waited, or in how long it happens, in whole units."""
    if since is None:
        return ""
    if since > now:
        return f"in {_whole(since - now)}"
    return _whole(now - since)


@TODAY.panel("waiting", order=10)
def waiting_panel(request: HttpRequest) -> Panel:
    """What waits for the person, the most urgent kind first."""
    now = timezone.now()
    lines = [line for line in LINES if request.user.has_perm(line.permission)]
    lines.sort(key=lambda line: (line.order, line.title))
    results = [(line, line.read(now)) for line in lines]
    rows = [_row(line, result, now) for line, result in results if result.number]
    done = [
        f"no {_within(line.title)}" for line, result in results if not result.number
    ]
    sentences = [f"Nothing else waits: {'; '.join(done)}."] if rows and done else []
    return Panel(
        key="waiting",
        title="What waits for a person",
        table=Table(
            ["What", "How many", "Oldest", "What to do", "Since (UTC)"],
            rows,
            empty=_all_done(done),
        ),
        sentences=sentences,
        is_wide=True,
    )


def _row(line: Line, result: Waiting, now: datetime) -> list[Cell]:
    is_more = result.number > MOST
    return [
        Link(line.title, line.url()),
        f"{MOST}+" if is_more else str(result.number),
        age_text(result.since, now),
        line.todo,
        f"{result.since:%Y-%m-%d}" if result.since else "",
    ]


def _all_done(looked_at: list[str]) -> str:
    if not looked_at:
        return "Your jobs include nothing that could wait here. A superuser gives jobs."
    return f"All done: nothing waits for a person. There are {'; '.join(looked_at)}."


def _within(title: str) -> str:
    """A title within a sentence; abbreviations keep their capitals."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _whole(length: timedelta) -> str:
    """The length in its largest unit, rounded down; less than a minute as such."""
    for name, unit in (
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        if count := length // unit:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"
