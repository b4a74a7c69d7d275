"""Setting, changing and removing budgets."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from billing.budgets.models import MAX_THRESHOLDS, Budget, default_thresholds
from billing.money import round_money, round_places
from billing.pricing.models import Meter
from billing.webhooks.ending import access_ended
from billing.webhooks.services import NewEvent, publish
from seats.access import lock_out_of_reach
from seats.agencies.queries import zones_of
from seats.columns import BELOW
from seats.errors import Refusal
from seats.models import Agency, Agent
from seats.periods import local_date, month_of

DECIMAL_PLACES = 6
MAX_PERCENT = 1_000  # percent


class BadBudget(Refusal):
    code = "bad_budget"


class BudgetExists(Refusal):
    code = "budget_exists"


class BudgetGone(Refusal):
    code = "budget_gone"


def add_budget(
    *,
    agency: Agency,
    actor: str,
    now: datetime,
    owner: Agency | None = None,
    agent: Agent | None = None,
    meter: Meter | None = None,
    amount: Decimal | None = None,
    quantity: Decimal | None = None,
    hard: bool = False,
    thresholds: Sequence[int] | None = None,
) -> Budget:
    """What an agency wants to use in a month at most, from this month on.

    An amount is for all its usage, a quantity in billed units for a meter, of one agent
    or of all. It ends once the `owner`, the agency that sets it, does not reach the
    agency any more; without an owner it does not. Raises BadBudget, BudgetExists.
    """
    end_budgets(now=now, agency_ids=[agency.pk])
    budget = Budget(
        agency=agency,
        owner=owner,
        agent=agent,
        meter=meter,
        amount=amount,
        quantity=quantity,
        hard=hard,
        thresholds=thresholds or default_thresholds(),
        since=month_of(local_date(now, zones_of([agency.pk])[agency.pk])),
        created_at=now,
        changed_by=actor,
    )
    _require_whole(budget)
    try:
        with transaction.atomic():
            budget.save()
    except IntegrityError as error:
        raise _exists(agency) from error
    return budget


def change_budget(
    *, budget: Budget, actor: str, owner: Agency | None = None, **changes: Any
) -> Budget:
    """Another amount or quantity, hard or not, other thresholds; the thing stays.

    From then on it rests on the reach of the `owner`, the agency that changes it. What
    was told of the month is not told again. Raises BadBudget, BudgetExists, BudgetGone.
    """
    try:
        with transaction.atomic():
            locked = Budget.objects.select_for_update(of=("self",))
            changed = (
                locked.select_related("agency", "agent", "meter")
                .filter(pk=budget.pk)
                .first()
            )
            if changed is None or changed.ended_at:
                raise BudgetGone("The budget was removed or has ended.")
            for name in ("amount", "quantity", "hard", "thresholds"):
                setattr(changed, name, changes.get(name, getattr(changed, name)))
            changed.changed_by, changed.owner = actor, owner
            _require_whole(changed)
            changed.save()
    except IntegrityError as error:
        raise _exists(budget.agency) from error
    return changed


def remove_budget(*, budget: Budget) -> None:
    """End a budget, with what was noted of its months. Repeating is harmless."""
    Budget.objects.filter(pk=budget.pk).delete()


def end_budgets(
    *, now: datetime, agency_ids: Collection[int] | None = None
) -> list[int]:
    """End budgets whose owner does not reach their agency now; their ids.

    Of these agencies, or of all. An ended budget stops nobody and alerts nobody, and
    does not come back if the agency does. Both agencies get `access.ended`. Safe to
    repeat.
    """
    rows = Budget.objects.filter(ended_at=None)
    if agency_ids is not None:
        rows = rows.filter(agency__in=agency_ids)
    with transaction.atomic():
        ended = lock_out_of_reach(rows, now=now)
        ids = [budget.pk for budget in ended]
        Budget.objects.filter(pk__in=ids).update(ended_at=now)
        publish([event for row in ended for event in _ended_events(row)], now=now)
    return ids


def _ended_events(budget: Budget) -> list[NewEvent]:
    assert budget.owner
    return access_ended(
        "budget", budget.public_id, agency=budget.agency, owner=budget.owner
    )


def _exists(agency: Agency) -> BudgetExists:
    return BudgetExists(f"{agency.code} has such a budget already; change it.")


def _require_whole(budget: Budget) -> None:
    """Raises BadBudget."""
    if (budget.amount is None) == (budget.quantity is None):
        raise BadBudget("Say an amount or a quantity.", field="amount")
    if budget.amount is not None:
        _require_money(budget)
    elif budget.meter is None:
        raise BadBudget("A quantity is of a meter.", field="meter")
    if budget.agent is not None and budget.agent.agency_id != budget.agency_id:
        raise BadBudget("The agent is of another agency.", field="agent")
    name = "amount" if budget.quantity is None else "quantity"
    limit = budget.limit
    if not (limit.is_finite() and 0 < limit < BELOW):
        raise BadBudget("It is a number above zero.", field=name)
    if round_places(limit, DECIMAL_PLACES) != limit:
        raise BadBudget(f"At most {DECIMAL_PLACES} decimal places.", field=name)
    percent = budget.thresholds
    if not 0 < len(set(percent)) == len(percent) <= MAX_THRESHOLDS or not all(
        0 < one <= MAX_PERCENT for one in percent
    ):
        raise BadBudget(
            f"Thresholds are 1 to {MAX_THRESHOLDS} different percentages"
            f" from 1 to {MAX_PERCENT}.",
            field="thresholds",
        )
    budget.thresholds = sorted(percent)


def _require_money(budget: Budget) -> None:
    if budget.meter or budget.agent:
        raise BadBudget("An amount is for all usage of an agency.", field="amount")
    amount, currency = budget.limit, budget.agency.currency
    if amount.is_finite() and round_money(amount, currency) != amount:
        raise BadBudget(f"Not an amount of {currency}.", field="amount")
