"""The agents and the days behind a usage line, as of its document's cut-off."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum

from billing.invoicing.models.documents import DocumentLine
from billing.metering.models import UsageDay
from core.money import allocate
from core.periods import next_month


@dataclass(frozen=True, slots=True)
class UsagePart:
    """The usage of an agent or a date, in raw units, and its part of the charge.

    `agent_id` is None for usage without an agent; of dates, agent and name are empty.
    """

    agent_id: int | None
    agent: str
    name: str
    used_on: date | None
    events: int
    raw: Decimal
    billable: Decimal
    amount: Decimal


def usage_by_agent(line: DocumentLine) -> list[UsagePart]:
    """The agents behind a usage line, most first; the parts sum to the charge."""
    names = ("agent", "agent__external_id", "agent__name")
    rows = _sums(line, *names).order_by("-billable", "agent__external_id")
    return _parts(line, list(rows))


def usage_by_day(line: DocumentLine) -> list[UsagePart]:
    """The local dates behind a usage line, in order; the parts sum to the charge."""
    return _parts(line, list(_sums(line, "used_on").order_by("used_on")))


def _sums(line: DocumentLine, *names: str) -> QuerySet[Any, Any]:
    days = UsageDay.objects.filter(
        agency=line.agency_id,
        meter=line.meter_id,
        used_on__gte=line.month,
        used_on__lt=next_month(line.month),
        cutoff__lte=line.cutoff,
    )
    sums = {name: Sum(name) for name in ("events", "raw", "billable")}
    rows: QuerySet[Any, Any] = days.order_by().values(*names).annotate(**sums)
    return rows


def _parts(line: DocumentLine, rows: list[dict[str, object]]) -> list[UsagePart]:
    weights = [Decimal(str(row["billable"])) for row in rows]
    charge = line.charge if any(weights) else Decimal(0)
    amounts = allocate(charge, weights, line.document.currency)
    return [
        UsagePart(
            agent_id=row.get("agent"),  # type: ignore[arg-type]
            agent=str(row.get("agent__external_id") or ""),
            name=str(row.get("agent__name") or ""),
            used_on=row.get("used_on"),  # type: ignore[arg-type]
            events=int(str(row["events"])),
            raw=Decimal(str(row["raw"])),
            billable=weight,
            amount=amount,
        )
        for row, weight, amount in zip(rows, weights, amounts, strict=True)
    ]
