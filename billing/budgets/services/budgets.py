"""Adds, changes, removes and ends budgets."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from billing.budgets.models import MAX_THRESHOLDS, Budget, default_thresholds
from billing.pricing.models import Meter
from billing.webhooks.domain.webhook_events import AccessEnded
from billing.webhooks.services.access import access_ended
from billing.webhooks.services.outbox import publish
from core.errors import Kind, Refusal
from core.money import minor_digits, round_money, round_places
from core.periods import local_date, month_of
from core.postgres.columns import BELOW
from seats.access.queries import lock_out_of_reach
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency, Agent

DECIMAL_PLACES = 6
MAX_PERCENT = 1_000  # percent


class BadBudget(Refusal):
    """A value of the budget is out of range, or its fields do not fit together.

    Correct the input that `field` names, as `detail` says.
    """

    code = "bad_budget"


class BudgetExists(Refusal):
    """The agency already has a budget for the same agent, meter and kind of limit.

    Change the existing budget instead of adding another.
    """

    code = "budget_exists"
    kind = Kind.CONFLICT


class BudgetGone(Refusal):
    """The budget was removed or has ended.

    Add a new budget instead.
    """

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
    """Limit an agency's monthly usage, from this month on.

    `amount` limits all usage, in the agency's currency and without seats; `quantity`
    limits a meter in billed units, for one agent or for all. The budget ends once the
    `owner`, the agency that sets it, no longer reaches the agency; without an owner it
    does not end. Raises BadBudget, BudgetExists.
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
    _validate(budget)
    try:
        with transaction.atomic():
            budget.save()
    except IntegrityError as error:
        raise _exists(agency) from error
    return budget


def change_budget(
    *, budget: Budget, actor: str, owner: Agency | None = None, **changes: Any
) -> Budget:
    """Change a budget's amount or quantity, `hard`, or thresholds, and its owner.

    `owner` is the agency that makes the change, as in add_budget. Alerts already sent
    this month are not sent again. Raises BadBudget, BudgetExists, BudgetGone.
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
                raise BudgetGone(
                    "The budget was removed or has ended. Add a new budget instead."
                )
            for name in ("amount", "quantity", "hard", "thresholds"):
                setattr(changed, name, changes.get(name, getattr(changed, name)))
            changed.changed_by, changed.owner = actor, owner
            _validate(changed)
            changed.save()
    except IntegrityError as error:
        raise _exists(budget.agency) from error
    return changed


def remove_budget(*, budget: Budget) -> None:
    """Delete a budget with its months and alerts. Safe to repeat."""
    Budget.objects.filter(pk=budget.pk).delete()


def end_budgets(
    *, now: datetime, agency_ids: Collection[int] | None = None
) -> list[int]:
    """End the budgets whose owner does not reach their agency now; return their ids.

    Checks these agencies, or all. An ended budget stops no calls and sends no alerts,
    and is not resumed if the owner reaches the agency again. Both agencies get the
    event `access.ended`. Safe to repeat.
    """
    rows = Budget.objects.filter(ended_at=None)
    if agency_ids is not None:
        rows = rows.filter(agency__in=agency_ids)
    with transaction.atomic():
        ended = lock_out_of_reach(rows, now=now)
        ids = [budget.pk for budget in ended]
        Budget.objects.filter(pk__in=ids).update(ended_at=now)
        publish(*(event for row in ended for event in _ended_events(row)), now=now)
    return ids


def _ended_events(budget: Budget) -> list[AccessEnded]:
    assert budget.owner
    return access_ended(
        "budget", budget.public_id, agency=budget.agency, owner=budget.owner
    )


def _exists(agency: Agency) -> BudgetExists:
    return BudgetExists(
        f"{agency.code} already has a budget for the same agent, meter and kind of"
        " limit. Change that budget instead."
    )


def _validate(budget: Budget) -> None:
    """Raises BadBudget."""
    if (budget.amount is None) == (budget.quantity is None):
        raise BadBudget(
            "Set either `amount` or `quantity`, and not both.", field="amount"
        )
    if budget.amount is not None:
        _validate_amount(budget)
    elif budget.meter is None:
        raise BadBudget("A budget with a `quantity` needs a `meter`.", field="meter")
    if budget.agent is not None and budget.agent.agency_id != budget.agency_id:
        raise BadBudget(
            "The agent belongs to another agency. Choose an agent of"
            f" {budget.agency.code}.",
            field="agent",
        )
    name = "amount" if budget.quantity is None else "quantity"
    limit = budget.limit
    if not (limit.is_finite() and 0 < limit < BELOW):
        raise BadBudget(
            f"The {name} is {limit}. Enter a number greater than zero and below"
            f" {BELOW:,}.",
            field=name,
        )
    if round_places(limit, DECIMAL_PLACES) != limit:
        raise BadBudget(
            f"The {name} is {limit}. Use at most {DECIMAL_PLACES} decimal places.",
            field=name,
        )
    thresholds = budget.thresholds
    if not 0 < len(set(thresholds)) == len(thresholds) <= MAX_THRESHOLDS or not all(
        0 < threshold <= MAX_PERCENT for threshold in thresholds
    ):
        raise BadBudget(
            f"Enter 1 to {MAX_THRESHOLDS} different thresholds, each a whole percentage"
            f" from 1 to {MAX_PERCENT}.",
            field="thresholds",
        )
    budget.thresholds = sorted(thresholds)


def _validate_amount(budget: Budget) -> None:
    if budget.meter or budget.agent:
        raise BadBudget(
            "An `amount` limits all usage of an agency. Set a `quantity` to limit a"
            " meter or an agent.",
            field="amount",
        )
    amount, currency = budget.limit, budget.agency.currency
    if amount.is_finite() and round_money(amount, currency) != amount:
        raise BadBudget(
            f"{amount} is not an amount in {currency}. Use at most"
            f" {minor_digits(currency)} decimal places.",
            field="amount",
        )
