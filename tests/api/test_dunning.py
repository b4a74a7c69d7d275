"""Open cases over the API."""

from datetime import date, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.dunning.services.cases import hold_dunning
from billing.dunning.services.sweep import step_due
from seats.agencies.services import set_upline
from tests.billing.dunning.conftest import DUE, make_payer, pay
from tests.build import MARCH, MARCH_1, bill, documents_of, make_agency, make_prices

pytestmark = pytest.mark.django_db
PATH = "/api/v1/dunning"
SCOPES = ["payments:read"]


@pytest.fixture
def payers(settings):
    """One below another agency, and a stranger; both owe 100.00 since April."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    below, other = make_payer("BELOW"), make_payer("OTHER")
    set_upline(
        agency=below, upline=make_agency("TOP"), on=MARCH, now=MARCH_1, actor="test"
    )
    bill(MARCH)
    step_due(now=DUE)
    with time_machine.travel(DUE + timedelta(hours=1), tick=False):
        yield below, other


class TestDunning:
    def test_tells_the_cases_within_reach(self, caller, payers):
        below, _ = payers
        top = below.uplines.get().upline
        body = caller(top, SCOPES).get(PATH).json()["results"]

        case = below.dunning_cases.get()
        assert body == [
            {
                "id": str(case.public_id), "payer": "BELOW", "state": "overdue",
                "since": "2026-04-16T12:00:00Z",
                "invoice": str(documents_of(below)[0].public_id),
                "number": "BELOW-00001", "owed": "100.00", "overdue": "100.00",
                "currency": "USD", "next_step_at": "2026-04-23T12:00:00Z",
                "held_until": None, "opened_at": "2026-04-16T12:00:00Z",
            }
        ]  # fmt: skip

    def test_says_how_long_it_is_held(self, caller, payers):
        below, _ = payers
        hold_dunning(
            payer=below, until=date(2026, 5, 1), reason="promised", actor="t", now=DUE
        )

        (body,) = caller(below, SCOPES).get(PATH).json()["results"]

        assert body["held_until"] == body["next_step_at"] == "2026-05-01T04:00:00Z"

    def test_leaves_out_what_is_over(self, caller, payers):
        below, _ = payers
        pay(below, 100, DUE)

        assert caller(below, SCOPES).get(PATH).json()["results"] == []

    def test_does_not_know_agencies_out_of_reach(self, caller, payers):
        below, _ = payers
        client = caller(below, SCOPES)

        assert client.get(f"{PATH}?agency=BELOW").json()["results"]
        for code in ("OTHER", "NOBODY"):
            assert client.get(f"{PATH}?agency={code}").status_code == 404

    def test_needs_the_scope(self, caller, payers):
        assert caller(payers[0], ["invoices:read"]).get(PATH).status_code == 403

    def test_takes_as_many_queries_for_many_cases(self, caller, payers):
        client = caller(None, SCOPES)
        client.get(PATH)
        with CaptureQueriesContext(connection) as few:
            assert len(client.get(PATH).json()["results"]) == 2
        for number in range(20):
            make_payer(f"A{number}")
        bill(MARCH)
        step_due(now=DUE + timedelta(hours=1))
        with CaptureQueriesContext(connection) as many:
            assert len(client.get(PATH).json()["results"]) == 22

        assert len(few) == len(many)
