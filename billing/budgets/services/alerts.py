"""The sweep that compares budgets with usage and sends each alert once."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from billing.accounts.models import BillingAccount
from billing.budgets.domain.levels import FULL, BudgetLevel, reached
from billing.budgets.domain.webhook_events import (
    BudgetEvent,
    BudgetForecastReached,
    BudgetThresholdReached,
)
from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from billing.budgets.queries.levels import AgencyMonth, levels_of, months_of
from billing.budgets.services.budgets import end_budgets
from billing.mail.services.outbox import queue_mail
from billing.webhooks.services.outbox import publish
from core.money import plain

CHUNK = 200  # agencies
Kind = BudgetAlert.Kind
EVENTS: Mapping[Kind, type[BudgetEvent]] = {
    Kind.REACHED: BudgetThresholdReached,
    Kind.FORECAST: BudgetForecastReached,
}


def check_budgets(*, now: datetime) -> int:
    """Check every budget for this month and the last; return how many alerts were sent.

    Budgets whose owner no longer reaches their agency are ended first. Reads usage
    days, so the cost does not depend on the number of events. Safe to run at any time
    and concurrently: budgets are locked, and each alert exists once. Usage that is
    taken back takes no alert back.
    """
    end_budgets(now=now)
    agency_ids = (
        Budget.objects.filter(ended_at=None)
        .order_by("agency")
        .values_list("agency", flat=True)
    )
    ids = list(agency_ids.distinct())
    chunks = [ids[n : n + CHUNK] for n in range(0, len(ids), CHUNK)]
    return sum(_check(chunk, now) for chunk in chunks)


def _check(agency_ids: Sequence[int], now: datetime) -> int:
    with transaction.atomic():
        budgets = list(
            Budget.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("agency", "agent", "meter")
            .filter(agency__in=agency_ids, ended_at=None)
            .order_by("pk")
        )
        levels = levels_of(budgets, months_of(budgets, now=now))
        _store_progress(levels, now)
        alerts = _new_alerts(levels, now)
        emails = _emails(alerts)
        for alert in alerts:
            _queue_alert_mail(alert, emails[alert.budget.agency_id], now)
        publish(*map(_event, alerts), now=now)
    return len(alerts)


def _store_progress(
    levels: Sequence[tuple[Budget, AgencyMonth, BudgetLevel]], now: datetime
) -> None:
    BudgetMonth.objects.bulk_create(
        [
            BudgetMonth(
                budget=budget, month=at.month, used=level.used,
                expected=level.expected, evaluated_at=now,
            )
            for budget, at, level in levels
        ],
        update_conflicts=True,
        unique_fields=["budget", "month"],
        update_fields=["used", "expected", "evaluated_at"],
    )  # fmt: skip


def _new_alerts(
    levels: Sequence[tuple[Budget, AgencyMonth, BudgetLevel]], now: datetime
) -> list[BudgetAlert]:
    """Store the alerts that do not exist yet. The budgets must be locked."""
    existing = set(
        BudgetAlert.objects.filter(
            budget__in=[budget.pk for budget, _, _ in levels],
            month__in={at.month for _, at, _ in levels},
        ).values_list("budget", "month", "threshold", "kind")
    )
    return BudgetAlert.objects.bulk_create(
        alert
        for budget, at, level in levels
        for alert in _alerts_of(budget, at, level, now)
        if (budget.pk, at.month, alert.threshold, alert.kind) not in existing
    )


def _alerts_of(
    budget: Budget, at: AgencyMonth, level: BudgetLevel, now: datetime
) -> list[BudgetAlert]:
    kinds = [
        (threshold, Kind.REACHED)
        for threshold in reached(level, budget.limit, budget.thresholds)
    ]
    if level.full_on:
        kinds.append((FULL, Kind.FORECAST))
    return [
        BudgetAlert(
            budget=budget,
            month=at.month,
            threshold=threshold,
            kind=kind,
            sent_on=at.today,
            used=level.used,
            limit=budget.limit,
            expected_on=level.full_on if kind == Kind.FORECAST else None,
            created_at=now,
        )
        for threshold, kind in kinds
    ]


def _event(alert: BudgetAlert) -> BudgetEvent:
    budget = alert.budget
    return EVENTS[Kind(alert.kind)](
        agency_id=budget.agency_id,
        subject=f"budget:{budget.public_id}",
        budget=budget.public_id,
        agency=budget.agency.code,
        agent=budget.agent.external_id if budget.agent else None,
        meter=budget.meter.code if budget.meter else None,
        month=alert.month,
        threshold=alert.threshold,
        used=alert.used,
        limit=alert.limit,
        unit=unit_of(budget),
        hard=budget.hard,
        expected_on=alert.expected_on,
    )


def _emails(alerts: Sequence[BudgetAlert]) -> dict[int, str]:
    agencies = {alert.budget.agency_id for alert in alerts}
    accounts = BillingAccount.objects.filter(payer__in=agencies)
    return dict(accounts.values_list("payer", "email"))


def _queue_alert_mail(alert: BudgetAlert, email: str, now: datetime) -> None:
    budget = alert.budget
    queue_mail(
        to=[email],
        template=f"budget_{alert.kind}",
        context={
            "alert": alert,
            "budget": budget,
            "used": plain(alert.used),
            "limit": plain(alert.limit),
            "unit": unit_of(budget),
        },
        subject_key=f"budget:{budget.public_id}:{alert.month:%Y-%m}:{alert.threshold}",
        agency_id=budget.agency_id,
        now=now,
    )


def unit_of(budget: Budget) -> str:
    """The unit of a budget's limit: the currency, or the meter's billed unit."""
    return budget.meter.billed_unit if budget.meter else budget.agency.currency
