"""Previews of a payer's next documents, as of now or after a planned change."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

from django.db import transaction

from billing.accounts.models import BillingAccount
from billing.accounts.queries import share_sets_of
from billing.invoicing.calculation.next_documents import NextDocuments, next_documents
from billing.invoicing.queries.affected_months import PayerAgency, pairs_of
from billing.invoicing.services.drafting import NewDocument, build_documents
from core.postgres.roles import engine_rights
from seats.cutoffs.models import CutoffCounter
from seats.models import Agency, Agent, Seat
from seats.roster.services.seats import add_seats, remove_seats


@dataclass(frozen=True, slots=True)
class PlannedSeats:
    """Seats to add, one for each of `count` new agents, from a local date on."""

    agency: Agency
    count: int
    on: date


@dataclass(frozen=True, slots=True)
class PlannedRemoval:
    """Seats to remove on a local date."""

    seats: tuple[Seat, ...]
    on: date


@engine_rights()
def preview_documents(
    *,
    payer: Agency,
    month: date,
    now: datetime,
    planned: Sequence[PlannedSeats | PlannedRemoval] = (),
) -> list[NewDocument]:
    """The documents that closing the month now would write. Stores nothing.

    Planned changes are made by their usual services, and rolled back. Raises the
    refusals that closing would park the payer for, and those of the changes.
    """
    with transaction.atomic():
        for plan in planned:
            _apply(plan, now)
        documents = _compute(payer, month)
        transaction.set_rollback(True)
    return documents


@engine_rights()
def next_totals(
    *, agency_ids: Collection[int], payer_ids: Collection[int], through: date
) -> dict[tuple[Agency, date], Decimal | None]:
    """What the next documents of the payers of these agencies come to, by month.

    Without tax, in the payer's currency, as if the months up to `through` were closed
    now. Only payers among `payer_ids`. None for a payer whom closing would park.
    """
    share_sets = share_sets_of(agency_ids)
    payers = {pk for sets in share_sets.values() for item in sets for pk in item.shares}
    agencies = Agency.objects.in_bulk((payers | set(agency_ids)) & set(payer_ids))
    pairs = pairs_of(sorted(agencies))
    currencies = {pk: agency.currency for pk, agency in agencies.items()}
    totals: dict[tuple[Agency, date], Decimal | None] = {}
    for computed in next_documents(
        pairs, _cutoffs_of(pairs), currencies, through=through
    ):
        payer = agencies[computed.payer_id]
        if computed.refusal is not None:
            totals[payer, through] = None
        for document in computed.documents:
            amounts = (line.amount for line in document.lines)
            totals[payer, document.month] = sum(amounts, Decimal(0))
    return totals


@dataclass(frozen=True, slots=True)
class PlannedBill:
    """What closing a month now would bill a payer, without tax, in its currency.

    `refusal` is why it would be parked instead.
    """

    payer_id: int
    total: Decimal
    documents: int
    refusal: str = ""


def planned_bills(
    *, payers: Collection[Agency], month: date, chunk: int = 250
) -> Iterator[PlannedBill]:
    """What closing a month now would bill each payer, in order of ids. Stores nothing.

    Computed as closing does, from the facts of now, in a few queries for each chunk.
    Unusual totals, for which closing parks a payer, are not looked for.
    """
    currencies = {payer.pk: payer.currency for payer in payers}
    ordered = iter(sorted(currencies))
    while ids := list(islice(ordered, chunk)):
        pairs = pairs_of(ids)
        own = {pk: currencies[pk] for pk in ids}
        for computed in next_documents(pairs, _cutoffs_of(pairs), own, through=month):
            yield _planned_bill(computed)


def _planned_bill(computed: NextDocuments) -> PlannedBill:
    lines = [line for document in computed.documents for line in document.lines]
    return PlannedBill(
        computed.payer_id,
        sum((line.amount for line in lines), Decimal(0)),
        len(computed.documents),
        computed.refusal.message if computed.refusal else "",
    )


def _apply(plan: PlannedSeats | PlannedRemoval, now: datetime) -> None:
    if isinstance(plan, PlannedRemoval):
        remove_seats(seats=plan.seats, on=plan.on, actor="preview", now=now)
        return
    agents = Agent.objects.bulk_create(
        Agent(
            agency=plan.agency,
            external_id=f"preview {n}",
            name=f"New agent {n}",
            created_at=now,
        )
        for n in range(1, plan.count + 1)
    )
    add_seats(agents=agents, on=plan.on, actor="preview", now=now)


def _compute(payer: Agency, month: date) -> list[NewDocument]:
    pairs = pairs_of([payer.pk])
    currencies = {payer.pk: payer.currency}
    (computed,) = next_documents(pairs, _cutoffs_of(pairs), currencies, through=month)
    if computed.refusal is not None:
        raise computed.refusal
    return build_documents(
        [computed], {payer.pk: BillingAccount.objects.get(pk=payer.pk)}
    )


def _cutoffs_of(pairs: Sequence[PayerAgency]) -> dict[int, int]:
    """The cut-off of now of each agency of the pairs, by its id."""
    ids = {pair.agency_id for pair in pairs}
    rows = CutoffCounter.objects.filter(agency__in=ids)
    return dict(rows.values_list("agency", "cutoff"))
