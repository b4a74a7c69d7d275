"""Support acts as a member in a real browser, and the owner reads of it."""

from playwright.sync_api import Page, expect

from core.audit import Origin, changes_from
from seats.models import User
from tests.browser.test_admin import PASSWORD, open_page, pytestmark, site
from tests.browser.test_agency import log_in, picture
from tests.downline import HOME, make_downline, make_people

__all__ = ["pytestmark", "site"]
ACTIVITY = "/agency/seats/auditentry/"
REASON = "Ticket 7: the invoice is not found"


def staff_log_in(page: Page, site: str, email: str) -> None:
    page.goto(f"{site}/admin/")
    page.fill("#id_login", email)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"{site}/admin/")


def test_support_acts_as_a_member_and_the_owner_reads_of_it(site, settings):
    agencies = make_downline(settings)
    make_people(agencies, password=PASSWORD)
    owner = User.objects.get(email=f"owner@{HOME.lower()}.example.com")
    User.objects.filter(pk=owner.pk).update(name="Dana Reyes")
    with changes_from(Origin(actor=owner.pk, ip="192.0.2.9", reason="Married")):
        agencies[HOME].agents.update(npn="1234567")
    User.objects.create_superuser("ann@staff.example", PASSWORD, name="Ann")
    with open_page() as page:
        staff_log_in(page, site, "ann@staff.example")
        page.goto(f"{site}/admin/seats/member/?q={owner.email}")
        page.get_by_role("link", name="Act as").click()
        page.fill("#id_reason", REASON)
        picture(page, "act-as")
        page.fill("#id_reason", REASON)
        page.locator('[name="_save"]').click()
        page.fill("#id_password", PASSWORD)
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url(f"{site}/agency/")
        expect(page.locator(".acting-banner")).to_contain_text(
            "Ann acts as Dana Reyes of Agency homezz"
        )
        page.goto(f"{site}/agency/seats/agent/")
        picture(page, "acting")
        page.get_by_role("button", name="End", exact=True).click()
        page.wait_for_url(f"{site}/admin/seats/supportsession/")
        expect(page.locator(".acting-banner")).to_have_count(0)
        page.goto(f"{site}/admin/seats/auditentry/")
        picture(page, "activity-of-staff")
    with open_page() as page:
        log_in(page, site, owner.email)
        page.goto(f"{site}{ACTIVITY}")
        expect(page.locator("#result_list")).to_contain_text(
            f"Support (Ann) began to act as Dana Reyes for up to 60 minutes. Reason: {REASON}"
        )
        expect(page.locator("#result_list")).to_contain_text("stopped to act as")
        picture(page, "activity")
        page.goto(f"{site}/agency/seats/supportaccess/add/")
        picture(page, "support-access")
