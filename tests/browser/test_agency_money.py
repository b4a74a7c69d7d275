"""An owner reads invoices, finds out why, and asks what more seats cost, in a browser."""

from decimal import Decimal

from django.utils import timezone
from playwright.sync_api import ConsoleMessage, expect

from billing.accounts.services import set_payer_shares
from billing.collection.services.methods import save_method
from billing.processors.services.processors import add_processor
from core.periods import month_of, previous_month
from seats.models import Member, User
from tests.browser.test_admin import PASSWORD, note_error, open_page, pytestmark, site
from tests.browser.test_agency import log_in, note_foreign, picture
from tests.build import documents_of, make_agency, make_prices, make_seats
from tests.two_months import at, make_two_months

__all__ = ["pytestmark", "site"]
EMAIL = "owner@sunrise.example.com"


def make_world() -> int:
    """Last month and the month before, billed, of two agencies with one payer.

    Returns the id of the payer's newest invoice.
    """
    last = previous_month(month_of(timezone.now().date()))
    first = previous_month(last)
    make_prices()
    agency = make_two_months(first)
    branch = make_agency("COAST", now=at(first), upline=agency)
    set_payer_shares(
        agency=branch, shares={agency: Decimal(100)}, starts_on=last, actor="test",
        now=at(last),
    )  # fmt: skip
    acme, *_ = add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=at(last)
    )
    save_method(
        payer=agency, processor=acme, actor="test", now=at(last), label="visa 4242"
    )
    user = User.objects.create_user(EMAIL, PASSWORD)
    Member.objects.create(user=user, agency=agency, role="owner", created_at=at(first))
    make_seats(branch, "eve", on=month_of(timezone.now().date()), now=timezone.now())
    return documents_of(agency)[-1].pk


def test_an_owner_goes_from_an_invoice_to_a_call_and_back(site, settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    invoice = f"/agency/billing/document/{make_world()}/"
    pages = {
        "money-list": "/agency/billing/document/",
        "money-pay": f"{invoice}pay/",
        "money-compare": "/agency/compare/",
        "money-account": "/agency/account/",
        "money-prices": "/agency/prices/",
        "money-method": "/agency/payment-method/",
        "money-next": "/agency/next-invoice/?add=5",
    }
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    with open_page() as page:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", note)
        page.on("response", lambda answer: note_error(answer, problems))
        page.on("request", lambda sent: note_foreign(sent.url, site, problems))
        log_in(page, site, EMAIL)
        for name, path in pages.items():
            page.goto(site + path)
            page.wait_for_load_state("networkidle")
            picture(page, name)
            fits = "document.documentElement.scrollWidth <= window.innerWidth"
            page.set_viewport_size({"width": 390, "height": 900})
            assert page.evaluate(fits), f"{name} is wider than a phone"
            page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(site + pages["money-list"])
        page.click("text=SUNRISE-00002")
        expect(page.get_by_text("Amount due")).to_be_visible()
        picture(page, "money-invoice")
        page.get_by_role("link", name="Outbound calls, US and Canada").first.click()
        picture(page, "money-line")
        page.get_by_role("link", name="ben", exact=True).click()
        expect(page.get_by_text("power").first).to_be_visible()
        picture(page, "money-calls")
        page.goto(site + pages["money-pay"])
        page.get_by_role("button", name="Charge 150").click()
        expect(page.get_by_text("is about to be charged to visa 4242")).to_be_visible()
        expect(page.get_by_role("button", name="Charge 150")).to_have_count(0)
        picture(page, "money-paying")

    assert problems == []
