"""Pictures of the main pages for the docs, from the demo: light, dark and on a phone.

python -m tests.screenshots [NAME ...], after `make demo`; into docs/images.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from playwright.sync_api import Browser, Page, sync_playwright

from seats.models import User
from tests.web import session_of

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
PORT = 8765
SITE = f"http://127.0.0.1:{PORT}"
OWNER, IMO, STAFF = (
    "owner@sunrise.example",
    "imo@harbor.example",
    "staff@dialer.example",
)
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 390)}
HEIGHT = 900


class Picture(NamedTuple):
    """A page, who looks at it, and the texts of the links that lead on to it."""

    name: str
    email: str
    path: str
    links: tuple[str, ...] = ()


INVOICES = "/agency/billing/document/"
CALLS = "Outbound calls, US and Canada"
PICTURES = [
    Picture("overview", OWNER, "/agency/"),
    Picture("overview-of-downline", IMO, "/agency/"),
    Picture("seats", OWNER, "/agency/seats/seat/"),
    Picture("add-agents", OWNER, "/agency/seats/agent/add/"),
    Picture("roster-file", OWNER, "/agency/roster-file/"),
    Picture("invoices", OWNER, INVOICES),
    Picture("invoice", OWNER, INVOICES, ("SUNRISE-00002",)),
    Picture("line", OWNER, INVOICES, ("SUNRISE-00002", CALLS)),
    Picture("calls", OWNER, INVOICES, ("SUNRISE-00002", CALLS, "sunrise115")),
    Picture("compare", OWNER, "/agency/compare/"),
    Picture("next-invoice", OWNER, "/agency/next-invoice/?add=5"),
    Picture("account", OWNER, "/agency/account/"),
    Picture("prices", OWNER, "/agency/prices/"),
    Picture("usage", OWNER, "/agency/usage/"),
    Picture("members", OWNER, "/agency/seats/member/"),
    Picture("api-keys", OWNER, "/agency/seats/apikey/"),
    Picture("webhooks", OWNER, "/agency/billing/webhookendpoint/"),
    Picture("today", STAFF, "/admin/"),
    Picture("agency", STAFF, "/admin/seats/agency/", ("SUNRISE",)),
    Picture("run-plan", STAFF, "/admin/billing-runs/plan/"),
    Picture("documents", STAFF, "/admin/billing/document/"),
    Picture("payments", STAFF, "/admin/billing/payment/"),
    Picture("quarantine", STAFF, "/admin/billing/quarantinedevent/"),
    Picture("health", STAFF, "/admin/health/"),
]


def main() -> None:
    """Take all pictures, or those named."""
    names = set(sys.argv[1:])
    if unknown := names - {picture.name for picture in PICTURES}:
        sys.exit(f"There is no picture {', '.join(sorted(unknown))}.")
    FOLDER.mkdir(exist_ok=True)
    cookies = {
        email: session_of(User.objects.get(email=email))
        for email in (OWNER, IMO, STAFF)
    }
    web = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "-b", f"127.0.0.1:{PORT}",
         "--log-level", "warning"],
    )  # fmt: skip
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for picture in PICTURES:
                if not names or picture.name in names:
                    _take(browser, picture, *cookies[picture.email])
            browser.close()
    finally:
        web.terminate()
        web.wait()


def _take(browser: Browser, picture: Picture, cookie: str, session: str) -> None:
    for look, (scheme, width) in LOOKS.items():
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            color_scheme="dark" if scheme == "dark" else "light",
            base_url=SITE,
        )
        context.add_cookies([{"name": cookie, "value": session, "url": SITE}])
        page = context.new_page()
        _open(page, picture)
        page.screenshot(
            path=FOLDER / f"{picture.name}-{look}.png", animations="disabled"
        )
        context.close()


def _open(page: Page, picture: Picture) -> None:
    page.goto(picture.path)
    for text in picture.links:
        page.get_by_role("link", name=text).first.click()
    page.wait_for_load_state("networkidle")


main()
