"""The four promises, tested through the API and the admin."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.pricing.models import PriceList
from seats.api_keys.services import create_key
from seats.models import User
from tests.build import make_agency, make_prices
from tests.staff import confirm

pytestmark = pytest.mark.django_db
MARCH_1 = datetime(2026, 3, 1, 15, tzinfo=UTC)
SEAT = Decimal(50)
SCOPES = ["seats:write", "seats:read", "usage:write", "invoices:read"]
# Tables that say what a document charged, or what a limit of the customer's own is.
RECORDS = {
    "billing_documentline", "billing_document", "billing_payment", "billing_refund",
    "billing_paymentattempt", "billing_refundattempt", "billing_dispute",
    "billing_allocation", "billing_ledgerentry", "billing_ledgertransaction",
    "billing_budget", "billing_budgetmonth", "billing_budgetalert",
}  # fmt: skip
PRICE_LIKE = (
    "price|rate|fee|discount|markup|margin|coupon|minimum|commit|contract|waive"
    "|surcharge|rebate|tier|plan|amount|percent"
)
# Tables that lead to an agency, directly or over others, and their suspicious columns.
CARVE_OUTS = """
    WITH RECURSIVE reaching AS (
        SELECT 'seats_agency'::regclass AS tables
        UNION
        SELECT conrelid FROM pg_constraint
        JOIN reaching ON pg_constraint.confrelid = reaching.tables
        WHERE contype = 'f')
    SELECT class.relname, attribute.attname
    FROM reaching
    JOIN pg_class AS class ON class.oid = reaching.tables
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
    WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
      AND attribute.attname ~ %s
    ORDER BY 1, 2
"""
# These columns of customers' tables name a list, split a bill, or are times.
HARMLESS = {
    ("billing_billingrun", "planned_at"),
    ("billing_payershare", "percent"),
    ("billing_refundapproval", "amount"),  # of a payment, which goes back
    ("billing_verificationfinding", "price_list_id"),
    ("seats_seatversion", "waived_days"),  # a count of dates, kept with the reason
}
PRICES = "billing_pricelist", "billing_rate", "billing_ratetier", "billing_meter"


@pytest.fixture
def agency(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody there: nobody is held up
    make_prices()
    return make_agency()


@pytest.fixture
def api(agency):
    _, key = create_key(agency=agency, scopes=SCOPES, actor="test", now=MARCH_1)
    return Api(Client(headers={"authorization": f"Bearer {key}"}))


class Api:
    """An agency's own program, at a moment."""

    def __init__(self, client):
        self.client = client

    def send(self, path, body, at):
        with time_machine.travel(at, tick=False):
            answer = self.client.post(
                f"/api/v1/{path}", body, content_type="application/json"
            )
        assert answer.status_code < 300, answer.content
        return answer.json()

    def add_seat(self, name, on):
        at = datetime(on.year, on.month, on.day, 15, tzinfo=UTC)
        self.send("agents", {"external_id": name, "name": name.title()}, at)
        payload = {"agent": name, "on": on.isoformat()}
        return self.send("seats", payload, at)[0]["id"]

    def remove_seat(self, seat, on):
        at = datetime(on.year, on.month, on.day, 20, tzinfo=UTC)
        self.send(f"seats/{seat}/remove", {"on": on.isoformat()}, at)

    def call(self, seconds, at):
        event = {
            "source": "/dialer", "id": f"{at}", "meter": "voice.out",
            "quantity": seconds, "occurred_at": at.isoformat(),
        }  # fmt: skip
        assert self.send("usage-events", event, at)["accepted"] == 1

    def invoices(self, month):
        """Bill a month by the command, and read its invoices by the API."""
        later = datetime(month.year, month.month + 1, 3, tzinfo=UTC)
        with time_machine.travel(later, tick=False):
            call_command("bill", f"--month={month:%Y-%m}", stdout=io.StringIO())
            page = self.client.get(f"/api/v1/invoices?month={month:%Y-%m}").json()
        return page["results"]

    def lines(self, invoice):
        return self.client.get(f"/api/v1/invoices/{invoice['id']}/lines").json()[
            "results"
        ]


def test_no_minimum(api):
    """One seat for one day costs one day of one seat, one call one call."""
    seat = api.add_seat("ana", date(2026, 3, 9))
    api.remove_seat(seat, date(2026, 3, 10))
    api.call(60, datetime(2026, 3, 12, 16, tzinfo=UTC))

    (march,) = api.invoices(date(2026, 3, 1))

    assert Decimal(march["total"]) == Decimal("1.61") + Decimal("0.02")  # 50 / 31
    assert {
        (line["meter"], line["quantity"], line["amount"]) for line in api.lines(march)
    } == {(None, "1", "1.61"), ("voice.out", "1", "0.02")}


def test_no_platform_fee(api):
    """A month is its seats and its calls; without either there is no invoice."""
    assert api.invoices(date(2026, 3, 1)) == []
    for name in ("ana", "ben"):
        api.add_seat(name, date(2026, 4, 1))
    api.call(600, datetime(2026, 4, 12, 16, tzinfo=UTC))

    (april,) = api.invoices(date(2026, 4, 1))

    lines = api.lines(april)
    assert [line["meter"] for line in lines] == [None, "voice.out"]
    assert Decimal(lines[0]["amount"]) == 2 * SEAT
    assert Decimal(lines[1]["amount"]) == Decimal("0.18")  # 10 minutes at 0.0180
    assert Decimal(april["total"]) == 2 * SEAT + Decimal("0.18")
    assert Decimal(april["tax"]) == 0


def test_no_contract(api):
    """No day after a removal is billed, and nothing follows it."""
    kept = api.add_seat("ana", date(2026, 3, 2))
    left = api.add_seat("ben", date(2026, 3, 2))
    api.remove_seat(left, date(2026, 3, 12))
    (march,) = api.invoices(date(2026, 3, 1))
    api.remove_seat(kept, date(2026, 4, 7))
    (april,) = api.invoices(date(2026, 4, 1))

    assert march["total"] == "64.52"  # 50 x (30 + 10) / 31
    assert april["total"] == "10.00"  # 50 x 6 / 30
    assert api.invoices(date(2026, 5, 1)) == []


def test_no_carve_outs(api, agency, client):
    """One published list for all, and no column in which an agency could differ."""
    other = make_agency("OTHER")
    _, key = create_key(agency=other, scopes=SCOPES, actor="test", now=MARCH_1)
    clients = [Client(), api.client, Client(headers={"authorization": f"Bearer {key}"})]
    lists = [each.get("/api/v1/price-list?month=2026-03").content for each in clients]
    assert len(set(lists)) == 1

    second = PriceList.objects.create(
        code="SPECIAL", currency="USD", starts_on=date(2026, 1, 1), seat_price=1
    )
    client.force_login(User.objects.create_superuser("boss@example.com", "x" * 12))
    confirm(
        client,
        reverse("admin:billing_pricelist_changelist"),
        {"action": "publish", "_selected_action": [second.pk]},
    )
    second.refresh_from_db()
    assert second.state == "draft"

    with connection.cursor() as cursor:
        cursor.execute(CARVE_OUTS, [PRICE_LIKE])
        suspicious = {row for row in cursor.fetchall() if row[0] not in RECORDS}
        reaching = {table for table, _ in suspicious}
        cursor.execute(CARVE_OUTS, ["^id$"])
        below_an_agency = {table for table, _ in cursor.fetchall()}
    assert suspicious <= HARMLESS, suspicious - HARMLESS
    assert not below_an_agency & set(PRICES)
    assert ("billing_payershare", "percent") in suspicious  # the query finds columns
    assert "billing_payershare" in reaching
