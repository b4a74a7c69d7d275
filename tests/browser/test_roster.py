"""An owner keeps the roster in a real browser: a file, an undoing, an invitation."""

from pathlib import Path
from typing import Any

import pytest
from allauth.account import app_settings
from playwright.sync_api import expect

from seats.models import Invitation, Seat
from tests.browser.test_admin import PASSWORD, note_error, open_page, pytestmark, site
from tests.browser.test_agency import PICTURES, WIDTHS, log_in, picture
from tests.downline import BELOW, HOME, make_downline, make_people

__all__ = ["pytestmark", "site"]
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture
def agencies(settings: Any) -> Any:
    agencies = make_downline(settings)
    make_people(agencies, password=PASSWORD)
    return agencies


def fits_a_phone(page: Any) -> bool:
    page.set_viewport_size({"width": 390, "height": 900})
    fits = bool(page.evaluate(FITS))
    page.set_viewport_size({"width": 1280, "height": 900})
    return fits


def test_a_roster_is_uploaded_and_a_removal_undone(site, agencies):
    problems: list[str] = []
    with open_page() as page:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("response", lambda answer: note_error(answer, problems))
        log_in(page, site, f"owner@{BELOW.lower()}.example.com")
        page.goto(f"{site}/agency/seats/seat/")
        picture(page, "roster")
        assert fits_a_phone(page)
        page.click("text=Roster file")
        picture(page, "roster-file")
        assert fits_a_phone(page)
        with page.expect_download() as downloaded:
            page.click("text=Download the roster as CSV")
        roster = downloaded.value.path().read_text("utf-8-sig")
        lines = roster.splitlines()
        content = f"{lines[0]}\n{lines[1]}\n,dana,Dana Diaz,,,,\n".encode("utf-8-sig")
        page.set_input_files(
            "#id_file", {"name": "r.csv", "mimeType": "text/csv", "buffer": content}
        )
        page.check("#id_remove_missing")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("new agent with a seat").first).to_be_visible()
        picture_of_posted(page, "roster-file-preview")
        assert fits_a_phone(page)
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("is as in the file")).to_be_visible()
        picture_of_posted(page, "roster-file-done")
        page.click("text=Look at them, or undo it")
        expect(page.locator("#result_list tbody tr")).to_have_count(2)
        picture(page, "roster-changed")
        page.click("text=Agent 2 belowzz")
        picture(page, "seat")
        assert fits_a_phone(page)
        page.get_by_role("button", name="Undo: seat removed").click()
        expect(page.get_by_text("as if it had not been removed")).to_be_visible()
        picture_of_posted(page, "undo")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("the change was undone")).to_be_visible()
        page.goto(f"{site}/agency/seats/agent/")
        page.click("text=Dana Diaz")
        picture(page, "agent")
        page.get_by_role("button", name="Change details").click()
        picture_of_posted(page, "agent-details")
        page.goto(f"{site}/agency/seats/agent/add/")
        picture(page, "add-agents")
    assert not Seat.objects.filter(agency=agencies[BELOW], removed_on__isnull=False)
    assert Seat.objects.get(agent__external_id="dana").agency == agencies[BELOW]
    assert problems == []


def test_a_form_that_is_wrong_after_a_confirmation_is_sent_to_its_own_address(
    site, agencies, monkeypatch
):
    """The page then has the address of the confirmation, and keeps what was entered."""
    monkeypatch.setattr(app_settings, "REAUTHENTICATION_TIMEOUT", 0, raising=False)
    with open_page() as page:
        log_in(page, site, f"owner@{BELOW.lower()}.example.com")
        page.goto(f"{site}/agency/seats/invitation/add/")
        page.fill("#id_email", "bea@example.com")
        page.select_option("#id_role", "agent")  # without naming the agent
        page.get_by_role("button", name="Save", exact=True).click()
        page.fill("#id_password", PASSWORD)
        monkeypatch.undo()
        page.get_by_role("button", name="Confirm").click()
        expect(page.locator("#id_email")).to_have_value("bea@example.com")
        address = page.url
        picture_of_posted(page, "invitation-wrong")
        page.select_option("#id_role", "admin")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("bea@example.com").first).to_be_visible()

    assert address == f"{site}/agency/seats/invitation/add/"
    assert Invitation.objects.get(email="bea@example.com").role == "admin"
    assert HOME in agencies


def picture_of_posted(page: Any, name: str) -> None:
    """Pictures of a page that cannot be loaded again."""
    if PICTURES is None:
        return
    for look in ("light", "dark"):
        page.emulate_media(color_scheme=look)
        for width, pixels in WIDTHS.items():
            page.set_viewport_size({"width": pixels, "height": 900})
            page.wait_for_timeout(300)
            page.screenshot(path=Path(PICTURES) / f"{name}-{look}-{width}.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
