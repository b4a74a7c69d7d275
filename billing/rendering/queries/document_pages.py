"""Reads what the pages of an issued document are made from."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.documents import header_of, issue_of, lines_of
from billing.invoicing.queries.statements import seats_behind
from billing.metering.models import UsageDay
from billing.pricing.models import Meter, PriceList, Rate
from billing.rendering.domain.pages import (
    AgentUsage,
    DocumentPages,
    HolderDays,
    Issuer,
    MeterText,
)
from billing.rendering.models import DocumentFile
from core.periods import local_date, month_range
from seats.agencies.queries.agencies import zones_of
from seats.models import Agent

Key = tuple[int, date]
PAY, CHECK = "/agency/billing/document/{}/change/", "/api/v1/invoices/{}/content"


def pages_of(file: DocumentFile) -> DocumentPages:
    """The pages of a document with its payer and price list.

    A few queries for each agency on it. They read what is fixed: facts up to the
    cut-off of the document, and the document before it.
    """
    document = file.document
    before = _before(document)
    lines = lines_of([pk for pk in (document.pk, before) if pk])
    zones = zones_of([document.payer_id])[document.payer_id]
    issue = issue_of(document)
    return DocumentPages(
        header=header_of(document),
        issue=issue,
        hash=document.hash,
        lines=lines.get(document.pk, []),
        before=lines.get(before, []) if before else [],
        issuer=Issuer(file.issuer["name"], tuple(file.issuer["lines"])),
        issued_on=local_date(issue.issued_at, zones),
        due_on=local_date(issue.due_at, zones),
        meters={
            meter.code: MeterText(meter.name, meter.billed_unit)
            for meter in Meter.objects.all()
        },
        pay_url=file.site and file.site + PAY.format(document.pk),
        check_url=file.site and file.site + CHECK.format(document.public_id),
        includes=dict(PriceList.objects.values_list("code", "seat_includes")),
        **_details(document),
    )


def _before(document: Document) -> int | None:
    """The id of the payer's invoice of an earlier month that was issued last."""
    earlier = Document.objects.filter(
        payer=document.payer_id,
        kind=Document.Kind.INVOICE,
        month__lt=document.month,
        number__lt=document.number,
    )
    return earlier.order_by("-number").values_list("pk", flat=True).first()


def _details(document: Document) -> dict[str, Any]:
    """The holders behind seat lines and the usage behind usage lines, late ones apart."""
    rows = document.lines.filter(late=False).select_related("document")
    lines: dict[str, dict[Key, DocumentLine]] = {"seat": {}, "usage": {}}
    for line in rows.order_by("position"):
        lines[line.kind][line.agency_id, line.month] = line
    return {
        "holders": {key: _holders(line) for key, line in lines["seat"].items()},
        "usage": {key: _usage(line) for key, line in lines["usage"].items()},
    }


def _holders(line: DocumentLine) -> list[HolderDays]:
    return [HolderDays(row.agent, row.days, row.amount) for row in seats_behind(line)]


def _usage(line: DocumentLine) -> list[AgentUsage]:
    """What each agent used in the month of a line, of every meter, up to its cut-off."""
    dates = month_range(line.month)
    totals = (
        UsageDay.objects.filter(
            agency=line.agency_id,
            used_on__gte=dates.start,
            used_on__lt=dates.end,
            cutoff__lte=line.cutoff,
        )
        .values("agent", "meter")
        .annotate(billable=Sum("billable"))
    )
    rows = [row for row in totals if row["billable"]]
    names = Agent.objects.in_bulk([row["agent"] for row in rows if row["agent"]])
    rates = Rate.objects.filter(price_list=line.price_list_id).select_related("meter")
    sizes = {rate.meter_id: rate for rate in rates}
    usage = [
        AgentUsage(
            names[row["agent"]].external_id if row["agent"] else "",
            sizes[row["meter"]].meter.code,
            Decimal(row["billable"]) / sizes[row["meter"]].unit_size,
        )
        for row in rows
    ]
    return sorted(usage, key=lambda row: (row.meter, row.agent))
