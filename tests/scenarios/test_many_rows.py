"""Bulk work takes as many queries for fifty rows as for five."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.accounts.models import PayerShareSet
from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.runs import start_run
from billing.metering.models import QuarantinedEvent
from billing.metering.services.ingest import ingest_events
from seats.models import Agent, Seat, User
from seats.roster.services.seats import (
    add_agents,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.build import (
    APRIL_2,
    MARCH,
    MARCH_1,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.rollback import rolled_back

pytestmark = pytest.mark.django_db
FEW, MANY = 5, 50
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
ON = date(2026, 3, 10)
BY: dict[str, Any] = {"actor": "test", "now": NOW}
Work = Callable[[], object]


def names(count: int, prefix: str = "a") -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


def seated(count: int) -> tuple[list[Seat], list[Agent], list[Agent]]:
    """Seats, and as many agents without one at the same agency and at another."""
    agency = make_agency()
    seats = make_seats(agency, *names(count))
    return (
        seats,
        make_agents(agency, *names(count, "b")),
        make_agents(make_agency("OTHER"), *names(count)),
    )


def adding_agents(count: int) -> Work:
    agents = [Agent(external_id=name, name=name) for name in names(count)]
    agency = make_agency()
    return lambda: add_agents(agency=agency, agents=agents, now=NOW)


def adding(count: int) -> Work:
    _, agents, _ = seated(count)
    return lambda: add_seats(agents=agents, on=ON, **BY)


def removing(count: int) -> Work:
    seats, _, _ = seated(count)
    return lambda: remove_seats(seats=seats, on=ON, **BY)


def handing_over(count: int) -> Work:
    seats, agents, _ = seated(count)
    moves = list(zip(seats, agents, strict=True))
    return lambda: hand_over_seats(moves=moves, on=ON, **BY)


def transferring(count: int) -> Work:
    seats, _, agents = seated(count)
    moves = list(zip(seats, agents, strict=True))
    return lambda: transfer_seats(moves=moves, on=ON, **BY)


def cancelling(count: int) -> Work:
    seats, _, _ = seated(count)
    return lambda: cancel_seats(seats=seats, reason="Typo", **BY)


def reopening(count: int) -> Work:
    seats, _, _ = seated(count)
    removed = remove_seats(seats=seats, on=ON, **BY)
    return lambda: reopen_seats(seats=removed, **BY)


def ingesting(count: int) -> Work:
    """Each event of an agency, agent, date and meter of its own; some told twice."""
    events = []
    for n in range(count):
        make_agents(make_agency(f"A{n}"), "ana")
        at = NOW - timedelta(days=n % 28)
        meter = ["voice.out", "sms.segment"][n % 2]
        event = call(f"A{n}", agent="ana", occurred_at=at, meter=meter)
        events += [event, event, call(f"A{n}", agent="nobody")]
    return lambda: ingest_events(events, owner=0, now=NOW)


def closing(count: int) -> Work:
    for n in range(count):
        agency = make_agency(f"A{n}")
        make_seats(agency, "ana", "ben")
        use(call(f"A{n}", agent="ana"), call(f"A{n}", meter="sms.segment"))
    run = start_run(month=MARCH, actor="test", now=APRIL_2)

    def close() -> None:
        assert close_due(now=APRIL_2, run=run) == count

    return close


def starting(count: int) -> Work:
    for n in range(count):
        make_seats(make_agency(f"A{n}"), "ana")
    return lambda: start_run(month=MARCH, actor="test", now=APRIL_2)


@pytest.fixture(autouse=True)
def prices(db, settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()


def queries_of(make_work: Callable[[int], Work], count: int) -> int:
    with rolled_back():
        work = make_work(count)
        with CaptureQueriesContext(connection) as queries:
            work()
        return len(queries)


@pytest.mark.parametrize(
    "make_work",
    [adding_agents, adding, removing, handing_over, transferring, cancelling,
     reopening, ingesting, starting, closing],
)  # fmt: skip
def test_a_service_takes_as_many_queries_for_many_rows_as_for_few(make_work):
    queries_of(make_work, FEW)  # what is remembered for good is remembered now

    assert queries_of(make_work, MANY) == queries_of(make_work, FEW)


def books_of(count: int) -> None:
    """So many rows on every list of the admin that a history fills."""
    for n in range(count):
        agency = make_agency(f"A{n}")
        make_seats(agency, "ana", "ben")
        use(call(f"A{n}", id=f"a{n}"), call(f"A{n}", id=f"a{n}", quantity=Decimal(1)))
        set_payer_shares(
            agency=agency, shares={agency: Decimal(100)}, starts_on=MARCH, actor="test",
            now=MARCH_1,
        )  # fmt: skip
    run = start_run(month=MARCH, actor="test", now=APRIL_2)
    while close_due(now=APRIL_2, run=run):
        pass
    for kind in (Document, QuarantinedEvent, PayerShareSet):
        assert kind.objects.count() == count
    assert BillingRun.objects.exists()


def test_a_list_of_the_admin_takes_as_many_queries_for_many_rows_as_for_few(client):
    client.force_login(User.objects.create_superuser("staff@example.com", "x"))
    client.get(reverse("admin:index"))
    counts: list[dict[str, int]] = []
    for count in (FEW, MANY):
        with rolled_back():
            books_of(count)
            counts.append({})
            for model in admin.site._registry:
                label = f"{model._meta.app_label}_{model._meta.model_name}"
                with CaptureQueriesContext(connection) as queries:
                    page = client.get(reverse(f"admin:{label}_changelist"))
                assert page.status_code == 200
                counts[-1][label] = len(queries)

    # One query for each kind of row that the entries of a page name; few name more kinds.
    few, many = (count.pop("seats_auditentry") for count in counts)
    assert many <= few
    assert counts[0] == counts[1]
