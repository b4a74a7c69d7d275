"""Previews of a payer's next documents, as of now or after a planned change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from billing.accounts.models import BillingAccount
from billing.invoicing.calculation.next_documents import next_documents
from billing.invoicing.queries.affected_months import pairs_of
from billing.invoicing.services.drafting import NewDocument, build_documents
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
    cutoffs = dict(
        CutoffCounter.objects.filter(
            agency__in={pair.agency_id for pair in pairs}
        ).values_list("agency", "cutoff")
    )
    currencies = {payer.pk: payer.currency}
    (computed,) = next_documents(pairs, cutoffs, currencies, through=month)
    if computed.refusal is not None:
        raise computed.refusal
    return build_documents(
        [computed], {payer.pk: BillingAccount.objects.get(pk=payer.pk)}
    )
