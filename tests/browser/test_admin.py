"""A person of the staff, a real browser, a real web server."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect, sync_playwright

from seats.models import Seat, User
from tests.build import MARCH, bill, call, make_agency, make_prices, make_seats, use

CHROMIUM = shutil.which("chromium")
PASSWORD = "correct horse battery"
SECONDS = 30
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ, reason="needs chromium"
    ),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip


@pytest.fixture
def site(fresh_database, broker, tmp_path):
    """gunicorn on a free port of loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(tmp_path / "web.log", "w") as log:
        web = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "config.wsgi",
                "-b",
                f"127.0.0.1:{port}",
            ],
            env={**os.environ, **fresh_database.environment, "REDIS_URL": broker},
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, Path(log.name).read_text()
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    web.terminate()
    web.wait(10)


@contextmanager
def open_page() -> Iterator[Page]:
    """A page of a real browser. Its driver runs a loop in this thread, in which
    Django's connections are others: use the database before, not within."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page()
        browser.close()


def log_in(page: Page, site: str) -> None:
    page.goto(f"{site}/admin/")
    page.fill("#id_login", "staff@example.com")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


class TestStaff:
    def test_reads_an_invoice_and_cancels_a_seat(self, site, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        make_prices()
        make_seats(make_agency(), "ana", "ben")
        use(call(agent="ana"))
        bill(MARCH)
        User.objects.create_superuser("staff@example.com", PASSWORD)
        errors: list[str] = []

        with open_page() as page:
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("response", lambda answer: note_error(answer, errors))
            log_in(page, site)
            page.click("text=Invoices and credit notes")
            page.click("text=SUNRISE-00001")
            line = page.get_by_text(
                "Seats, March 2026: 62 seat days (31 per full seat)"
            )
            expect(line.last).to_be_visible()
            page.goto(f"{site}/admin/seats/seat/")
            page.check("tbody tr:first-child input.action-select")
            page.select_option("select[name=action]", "cancel")
            page.click("#changelist-actions button[name=index]")
            page.fill("#id_reason", "Entered twice")
            expect(page.get_by_text("is not billed for any date")).to_be_visible()
            page.click("button[name=apply]")
            page.wait_for_selector("text=1 cancelled.")

        assert errors == []
        assert Seat.objects.filter(cancelled=True).count() == 1


def note_error(answer: Response, errors: list[str]) -> None:
    if answer.status >= 400:
        errors.append(f"{answer.status} {answer.url}")
