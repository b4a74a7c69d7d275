"""The pages of accounts in a real browser, with a virtual authenticator."""

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from seats.models import Member, User
from tests.accounts.people import code_of
from tests.browser.test_admin import PASSWORD, note_error, open_page, pytestmark, site
from tests.build import MARCH_1, make_agency

__all__ = ["pytestmark", "site"]
EMAIL = "olivia@sunrise.example"
WIDE = "() => document.documentElement.scrollWidth"


def add_authenticator(page: Page) -> None:
    """A device with a fingerprint reader, on which somebody always puts a finger."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def look(page: Page, name: str) -> None:
    """Every page fits a phone; with PICTURES set, one is taken."""
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate(WIDE) == 390, name
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=Path(pictures) / f"{name}.png", full_page=True)


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_an_owner_sets_up_both_factors_and_logs_in_by_passkey(site):
    user = User.objects.create_user(EMAIL, PASSWORD, name="Olivia")
    Member.objects.create(
        user=user, agency=make_agency(), role="owner", created_at=MARCH_1
    )
    # Browsers know passkeys of names, not of addresses.
    site = site.replace("127.0.0.1", "localhost")
    errors: list[str] = []

    with open_page() as page:
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda answer: note_error(answer, errors))
        add_authenticator(page)
        page.goto(f"{site}/accounts/login/?next=/accounts/2fa/")
        look(page, "login")
        page.get_by_label("Email").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        button(page, "Log in")
        look(page, "two-step")
        page.get_by_role("link", name="Add a passkey").click()
        look(page, "confirm")
        page.get_by_label("Password").fill(PASSWORD)
        button(page, "Confirm")
        page.get_by_label("Passwordless").check()
        look(page, "add-passkey")
        button(page, "Add")
        expect(page.get_by_text("Recovery Codes").first).to_be_visible()
        look(page, "recovery-codes")
        page.goto(f"{site}/accounts/2fa/totp/activate/")
        look(page, "app")
        secret = page.locator("#authenticator_secret").input_value()
        page.get_by_label("Authenticator code").fill(code_of(secret))
        button(page, "Activate")
        expect(page.get_by_text("An app makes the codes")).to_be_visible()
        page.goto(f"{site}/accounts/sessions/")
        expect(page.get_by_text("This one")).to_be_visible()
        look(page, "sessions")
        button(page, "Log out")
        page.goto(f"{site}/accounts/login/?next=/accounts/sessions/")
        button(page, "Log in with a passkey")
        expect(page).not_to_have_url(re.compile("/login/"))
        page.goto(f"{site}/accounts/2fa/")
        expect(page.get_by_text("You have 1 passkey.")).to_be_visible()
        look(page, "two-step-done")

    # An owner has no page of staff; the site of agencies is where one goes.
    assert [error for error in errors if "/admin/" not in error] == []
