"""A member of an agency, a real browser, a real web server, and the content policy."""

import os
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, expect

from tests.browser.test_admin import PASSWORD, note_error, open_page, pytestmark, site
from tests.downline import HOME, make_downline, make_people

__all__ = ["pytestmark", "site"]
PICTURES = os.environ.get("PICTURES")
PAGES = {
    "index": "/agency/",
    "invoices": "/agency/billing/document/",
    "seats": "/agency/seats/seat/",
    "usage": "/agency/billing/usageday/",
}
WIDTHS = {"wide": 1280, "phone": 390}


def log_in(page: Page, site: str, email: str) -> None:
    page.goto(site)
    picture(page, "log-in")
    page.fill("#id_login", email)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"{site}/agency/")


def picture(page: Page, name: str) -> None:
    """Pictures in light, dark and of a phone, if a folder for them is named."""
    if PICTURES is None:
        return
    for look in ("light", "dark"):
        page.emulate_media(color_scheme=look)
        page.reload()
        for width, pixels in WIDTHS.items():
            page.set_viewport_size({"width": pixels, "height": 900})
            page.wait_for_timeout(300)
            page.screenshot(path=Path(PICTURES) / f"{name}-{look}-{width}.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_member_logs_in_and_looks_around_without_breaking_the_policy(site, settings):
    make_people(make_downline(settings), password=PASSWORD)
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    with open_page() as page:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", note)
        page.on("response", lambda answer: note_error(answer, problems))
        page.on("request", lambda sent: note_foreign(sent.url, site, problems))
        log_in(page, site, f"owner@{HOME.lower()}.example.com")
        for name, path in PAGES.items():
            page.goto(site + path)
            page.wait_for_load_state("networkidle")
            picture(page, name)
            if name != "index":
                assert page.locator("#result_list tbody tr").count() > 0
            fits = "document.documentElement.scrollWidth <= window.innerWidth"
            page.set_viewport_size({"width": 390, "height": 900})
            assert page.evaluate(fits), f"{name} is wider than a phone"
            page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(site + PAGES["invoices"])
        page.click("text=HOMEZZ-00001")
        expect(page.get_by_text("HOMEZZ, Agency homezz, March 2026")).to_be_visible()
        picture(page, "invoice")
        page.goto(site + PAGES["invoices"])
        page.click("text=Filters")
        page.click("text=March 2026")
        expect(page.get_by_text("HOMEZZ-00001")).to_be_visible()

    assert problems == []


def test_an_owner_adds_agents_and_hands_a_seat_over(site, settings):
    """Each sees the effect first; new holders are found by typing."""
    make_people(make_downline(settings), password=PASSWORD)
    problems: list[str] = []

    with open_page() as page:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("response", lambda answer: note_error(answer, problems))
        log_in(page, site, f"owner@{HOME.lower()}.example.com")
        page.goto(f"{site}/agency/seats/seat/add/")
        page.locator(".select2-selection").click()
        page.locator(".select2-search__field").fill(HOME)
        page.locator(".select2-results__option").get_by_text(HOME).first.click()
        page.fill("#id_agents", "dan, Dan Diaz\neve, Eve Ek")
        confirm_page(page)
        expect(page.get_by_text(f"Invoice of {HOME} for").first).to_be_visible()
        picture_of_form(page, "add-agents")
        confirm_page(page)
        expect(page.get_by_text("2 agents: added with seats.")).to_be_visible()
        page.goto(f"{site}/agency/seats/seat/?q=homezz-1")
        page.check("tbody tr:first-child input.action-select")
        page.select_option("select[name=action]", "hand_over")
        page.click("#changelist-actions button[name=index]")
        page.locator(".select2-selection").click()
        page.locator(".select2-search__field").fill("homezz-0")
        page.get_by_role("option", name="homezz-0").click()
        confirm_page(page)
        expect(page.get_by_text("The bill stays the same.")).to_be_visible()
        picture_of_form(page, "hand-over")
        confirm_page(page)
        expect(page.get_by_text("handed over")).to_be_visible()

    assert problems == []


def confirm_page(page: Page) -> None:
    page.get_by_role("button", name="Confirm", exact=True).click()


def picture_of_form(page: Page, name: str) -> None:
    """Forms fit a phone; a picture of each width, as they cannot be loaded again."""
    for width, pixels in WIDTHS.items():
        page.set_viewport_size({"width": pixels, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= pixels, name
        if PICTURES is not None:
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


def note_foreign(url: str, site: str, problems: list[str]) -> None:
    if not url.startswith((site, "data:")):
        problems.append(f"asks another server: {url}")
