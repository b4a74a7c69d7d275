"""The seats and holders behind a seat line."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.invoicing.queries.statements import seat_statement
from seats.roster.services.seats import cancel_seats, hand_over_seats, remove_seats
from tests.build import MARCH, MARCH_1, make_agency, make_agents, make_seats

CONTEXT: dict[str, Any] = {"actor": "test", "now": MARCH_1}


@pytest.mark.django_db
class TestSeatStatement:
    def test_gives_each_date_to_its_last_holder_and_sums_to_the_charge(self):
        agency = make_agency()
        ana, ben, eve = make_seats(agency, "ana", "ben", "eve")
        cara, dan = make_agents(agency, "cara", "dan")
        hand_over_seats(moves=[(ana, cara)], on=date(2026, 3, 11), **CONTEXT)
        hand_over_seats(moves=[(ana, dan)], on=date(2026, 3, 11), **CONTEXT)
        remove_seats(seats=[ben], on=date(2026, 3, 1), **CONTEXT)
        cancel_seats(seats=[eve], reason="test", **CONTEXT)

        rows = seat_statement(
            agency_id=agency.pk,
            month=MARCH,
            cutoff=1,
            charge=Decimal("51.61"),
            currency="USD",
        )

        assert [(row.agent, row.days, row.amount) for row in rows] == [
            ("ana", 10, Decimal("16.13")),
            ("dan", 21, Decimal("33.87")),
            ("ben", 1, Decimal("1.61")),
        ]
