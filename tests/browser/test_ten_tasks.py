"""Things that people come for, each from log-in, as they see and do them."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import override_settings
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from billing.collection.services.charges import charge_due
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import save_method
from billing.invoicing.models.runs import RunItem
from billing.processors.services.processors import add_processor
from core.periods import month_of, previous_month
from seats.models import Agency, Member, User
from tests import databases
from tests.browser.test_admin import PASSWORD, note_error, open_page, pytestmark
from tests.build import documents_of, make_agency, make_agents, make_prices, make_seats
from tests.receivers import receiving
from tests.reference_processor import ReferenceProcessor
from tests.two_months import at, make_two_months
from tests.workers import running_web

__all__ = ["pytestmark"]
OWNER, STAFF = "owner@sunrise.example.com", "staff@example.com"
FIRST = previous_month(previous_month(month_of(timezone.now().date())))
MILLISECONDS = 4_000  # until what should be on a page is missed
LAST = previous_month(month_of(timezone.now().date()))


@dataclass(frozen=True)
class Site:
    """A web server with a history: its address, and the processor that it charges by."""

    address: str
    processor: ReferenceProcessor


@pytest.fixture(scope="module")
def site(
    django_db_setup, django_db_blocker, module_broker, tmp_path_factory
) -> Iterator[Site]:
    """Two months of SUNRISE, COAST below it, a payer that cannot be billed, people."""
    at_once = {**django_settings.BILLING, "REVIEW_WINDOW": None}
    loopback = {**django_settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    log = tmp_path_factory.mktemp("web") / "web.log"
    with (
        django_db_blocker.unblock(),
        databases.cloned() as name,
        override_settings(BILLING=at_once, WEBHOOKS=loopback),
        receiving() as receiver,
    ):
        checks, signs = make_world(receiver.url)
        environment = {
            **databases.urls(name), "REDIS_URL": module_broker, "EMAIL_HOST": "127.0.0.1",
            "EMAIL_FROM": "Billing <billing@dialer.example>",
            "WEBHOOKS_ALLOW_LOOPBACK": "1",
        }  # fmt: skip
        with running_web(environment, log, "--threads", "4") as port:
            address = f"http://127.0.0.1:{port}"
            receiver.behave = ReferenceProcessor(
                checks, signs, poster(address), lambda: "before"
            )
            yield Site(address, receiver.behave)


def make_world(processor_url: str) -> tuple[str, str]:
    """Gives the secrets of the processor: of requests to it, and of its events."""
    make_prices()
    make_seats(make_agency("YEN", currency="JPY", now=at(FIRST)), "yui", on=FIRST,
               now=at(FIRST))  # fmt: skip
    agency = make_two_months(FIRST)
    coast = make_agency("COAST", now=at(FIRST), upline=agency)
    make_seats(coast, "eve", on=timezone.now().date(), now=timezone.now())
    make_agents(coast, "gus")
    acme, checks, signs = add_processor(
        code="acme", url=processor_url, actor="test", now=at(LAST)
    )
    save_method(
        payer=agency, processor=acme, actor="test", now=at(LAST), label="Visa 4242"
    )
    owner = User.objects.create_user(OWNER, PASSWORD, name="Olivia Owner")
    Member.objects.create(user=owner, agency=agency, role="owner", created_at=at(FIRST))
    User.objects.create_superuser(STAFF, PASSWORD)
    return checks, signs


def poster(address: str) -> Callable[[bytes, dict[str, str]], None]:
    """How the processor posts its events."""

    def post(body: bytes, headers: dict[str, str]) -> None:
        url = f"{address}/api/v1/processors/acme/webhook"
        kind = {"Content-Type": "application/json"}
        with urlopen(Request(url, body, {**headers, **kind}), timeout=30) as answer:
            assert answer.status == 204

    return post


def aside(work: Callable[[], Any]) -> Any:
    """Do what uses the database in a thread, as the browser's loop is in this one."""

    def run() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """A page of a browser in which every error of the site fails the test."""
    problems: list[str] = []
    with open_page() as page:
        page.set_default_timeout(MILLISECONDS)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("response", lambda answer: note_error(answer, problems))
        yield page
    assert problems == []


def log_in(page: Page, site: Site, email: str = OWNER) -> None:
    page.goto(site.address)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Log in")
    expect(page).to_have_url(re.compile("/(agency|admin)/$"))


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def follow(page: Page | Locator, *names: str) -> None:
    """Click one link after the other."""
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.click()


def panel(page: Page, name: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def test_an_owner_finds_out_why_last_month_was_higher(page, site):
    log_in(page, site)
    follow(page, "Compare months")
    before, after = f"{FIRST:%B %Y}", f"{LAST:%B %Y}"
    comparison = panel(page, f"{after} beside {before}")
    expect(comparison).to_be_visible()
    causes = {
        row.get_by_role("rowheader").inner_text(): row.inner_text()
        for row in comparison.get_by_role("row").all()[1:]
    }
    assert "seat days" in causes["Seats that were there for a part of the month"]
    assert "minutes" in causes["Outbound calls, US and Canada"]
    assert "Late lines for earlier months" in causes
    amounts = [
        Decimal(re.sub("[^0-9.-]", "", text.split("\t")[-1]))
        for text in causes.values()
    ]
    assert sum(amounts[:-1]) == amounts[-1] > 0


def test_an_owner_explains_a_line_down_to_a_call(page, site):
    log_in(page, site)
    follow(page, "Invoices", "SUNRISE-00002", "Outbound calls, US and Canada", "ben")
    calls = page.get_by_role("row").filter(has_text="power")
    expect(calls).to_have_count(9)
    expect(calls.first).to_contain_text(f"{LAST:%Y-%m}-09")
    expect(calls.first).to_contain_text("0.054")


def test_an_owner_pays_an_invoice(page, site):
    log_in(page, site)
    follow(panel(page, "Due"), "SUNRISE-00002")
    page.get_by_role("link", name=re.compile(r"^Pay \d")).click()
    page.get_by_role("button", name=re.compile("^Charge .* to Visa 4242$")).click()
    expect(page.get_by_text("is about to be charged to Visa 4242")).to_be_visible()
    aside(lambda: charge_due(clock=timezone.now))
    aside(lambda: process_events(now=timezone.now()))
    follow(page, "Invoices", "SUNRISE-00002")
    expect(panel(page, "Payment")).to_contain_text("was charged to Visa 4242")
    expect(page.get_by_role("link", name=re.compile(r"^Pay \d"))).to_have_count(0)
    (charged,) = site.processor.journal
    invoice = aside(lambda: documents_of(Agency.objects.get(code="SUNRISE"))[-1])
    assert (invoice.state, len(charged)) == ("paid", 2)


def test_an_imo_looks_into_a_sub_agency(page, site):
    log_in(page, site)
    row = panel(page, "Agencies").get_by_role("row").filter(has_text="COAST")
    expect(row).to_be_visible()
    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=re.compile("Coast")).first).to_be_visible()
    expect(panel(page, "Seats today")).to_contain_text("1")
    follow(page, "Overview of all agencies")
    expect(panel(page, "Agencies")).to_contain_text("COAST")


def test_staff_release_a_parked_payer_with_a_reason(page, site):
    log_in(page, site, STAFF)
    panel(page, "What waits for a person").get_by_role(
        "link", name=re.compile("parked", re.IGNORECASE)
    ).click()
    row = page.get_by_role("row").filter(has_text="YEN").first
    row.get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Bill parked payers again")
    page.locator("#changelist-actions button[name=index]").click()
    page.get_by_role("textbox", name="Reason").fill("The list of yen is published")
    press(page, "Confirm")
    expect(page.get_by_text("1 released.")).to_be_visible()
    assert aside(RunItem.objects.filter(state="released").exists)
