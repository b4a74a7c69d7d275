"""Issued documents over the API, the price list, and quotes."""

import json

import pytest
from django.test import Client

from billing.rendering.services.files import render_due
from seats.agencies.services import set_upline
from tests.build import (
    MARCH,
    MARCH_1,
    MAY_2,
    bill,
    call,
    make_agency,
    make_prices,
    make_seats,
)  # fmt: skip
from tests.build import use as ingest

pytestmark = pytest.mark.django_db
SCOPES = ["invoices:read"]


@pytest.fixture
def billed(settings):
    """March of three agencies, one below another."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=MARCH_1, actor="test")
    for agency in (top, below, other):
        make_seats(agency, "ana")
        ingest(call(agency.code))
    bill(MARCH)
    return top, below, other


@pytest.fixture
def top(caller, billed):
    return caller(billed[0], SCOPES)


class TestInvoices:
    def test_are_those_of_payers_within_reach(self, top):
        shown = top.get("/api/v1/invoices").json()["results"]

        assert {d["label"]: d["total"] for d in shown} == {
            "TOP-00001": "50.05", "BELOW-00001": "50.05",
        }  # fmt: skip
        assert {d["state"] for d in shown} == {"open"}

    def test_are_downloaded_as_pdf_by_those_who_reach_the_payer(
        self, top, caller, billed, documents_folder
    ):
        (document,) = top.get("/api/v1/invoices?agency=TOP").json()["results"]
        path = f"/api/v1/invoices/{document['id']}/pdf"
        early = top.get(path)
        render_due(clock=lambda: MAY_2)
        answer = top.get(path)

        assert (early.status_code, early.json()["code"]) == (409, "file_not_ready")
        assert answer.headers["Content-Type"] == "application/pdf"
        assert "TOP-00001.pdf" in answer.headers["Content-Disposition"]
        assert answer.content.startswith(b"%PDF-")
        for other in billed[1:]:
            assert caller(other, SCOPES).get(path).status_code == 404

    def test_say_their_lines(self, top):
        (document,) = top.get("/api/v1/invoices?agency=TOP").json()["results"]
        path = f"/api/v1/invoices/{document['id']}"

        assert top.get(path).json() == document
        lines = top.get(f"{path}/lines").json()["results"]
        assert [(line["meter"], line["amount"]) for line in lines] == [
            (None, "50.00"), ("voice.out", "0.05"),
        ]  # fmt: skip
        assert lines[1]["quantity"] == "3"

    def test_elsewhere_are_not_there(self, top, caller):
        everything = caller(None, SCOPES).get("/api/v1/invoices").json()["results"]
        (other,) = [d for d in everything if d["payer"] == "OTHER"]

        answers = [
            top.get(f"/api/v1/invoices/{other['id']}"),
            top.get(f"/api/v1/invoices/{other['id']}/lines"),
            top.get("/api/v1/invoices?agency=OTHER"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 3

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("month=2026-03", 2),
            ("month=2026-02", 0),
            ("state=paid", 0),
            ("kind=invoice&agency=BELOW", 1),
        ],
    )
    def test_can_be_narrowed(self, top, query, count):
        assert len(top.get(f"/api/v1/invoices?{query}").json()["results"]) == count

    @pytest.mark.parametrize(
        ("query", "field"), [("month=soon", "month"), ("state=draft", "state")]
    )
    def test_name_the_filter_that_is_wrong(self, top, query, field):
        answer = top.get(f"/api/v1/invoices?{query}")

        assert (answer.status_code, answer.json()["field"]) == (400, field)


class TestPriceList:
    def test_is_public(self, billed, clock):
        shown = Client().get("/api/v1/price-list?month=2026-03").json()

        assert (shown["currency"], shown["seat_price"]) == ("USD", "50")
        assert len(shown["rates"]) == 11
        assert len(shown["hash"]) == 64

    @pytest.mark.parametrize(
        ("query", "code"),
        [("month=2025-01", "price_missing"), ("month=x", "bad_month"),
         ("currency=%00", "unknown_currency")],
    )  # fmt: skip
    def test_says_what_is_missing(self, billed, clock, query, code):
        answer = Client().get(f"/api/v1/price-list?{query}")

        assert (answer.status_code, answer.json()["code"]) == (422, code)


class TestQuote:
    def post(self, body):
        return Client().post("/api/v1/quote", body, content_type="application/json")

    def test_answers_as_the_command_does(self, billed):
        scenario = {
            "month": "2026-04",
            "timezone": "America/New_York",
            "seats": [{"agent": "A", "added_at": "2026-04-16"}],
            "usage": [{"meter": "voice.out", "raw": [45, 135]}],
        }

        answer = self.post(json.dumps(scenario))

        assert answer.status_code == 200
        assert answer.json()["total"] == "25.07"

    @pytest.mark.parametrize(
        ("body", "code"),
        [("[" * 50_000, "too_deep"), ("{", "bad_json"), ("", "bad_json"),
         ('{"month": "2026-13"}', "bad_month"), (b"\xff", "bad_json"),
         (b" " * 3_000_000, "too_large")],
    )  # fmt: skip
    def test_says_what_is_wrong(self, db, body, code):
        answer = self.post(body)

        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer["Content-Type"] == "application/problem+json"
