"""What is behind a line of an invoice: seats and days, agents and days, and calls."""

from collections.abc import Iterable
from typing import Any

from django.http import Http404, HttpRequest

from billing.invoicing.admin.invoice import (
    document_in,
    invoice_link,
)
from billing.invoicing.admin.sections import LINE_NAME
from billing.invoicing.admin.words import (
    item_name,
    price_text,
    quantity_text,
)
from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.queries.line_usage import (
    UsagePart,
    usage_by_agent,
    usage_by_day,
)
from billing.invoicing.queries.statements import seats_behind
from core.admin.pages import AgencyPanels, once_per_request
from core.admin.panels import Link, Money, Panel, Table
from core.periods import days_in_month
from seats.access.domain import Action
from seats.models import Agent

NO_AGENT = "none"  # in the address: calls without an agent


def line_in(request: HttpRequest, document_id: int, position: int) -> DocumentLine:
    """A line of a document within reach; read once per request. Raises Http404."""

    def read() -> DocumentLine:
        document = document_in(request, document_id)
        rows = DocumentLine.objects.filter(document=document, position=position)
        line = rows.select_related("agency", "meter", "price_list").first()
        if line is None:
            raise Http404
        line.document = document
        return line

    return once_per_request(request, ("line", document_id, position), read)


def line_title(request: HttpRequest, document_id: int, position: int) -> str:
    """Seats of SUNRISE, March 2026 (SUNRISE-00003)."""
    line = line_in(request, document_id, position)
    month = f"{line.month:%B %Y}"
    return f"{item_name(line)} of {line.agency.code}, {month} ({line.document})"


LINE = AgencyPanels(
    name=LINE_NAME,
    path="billing/document/<int:document_id>/lines/<int:position>/",
    title=line_title,
    permission=Action.VIEW_MONEY,
)


def calls_title(request: HttpRequest, document_id: int, position: int) -> str:
    """Calls behind: Outbound calls of SUNRISE, March 2026 (SUNRISE-00003)."""
    line = line_in(request, document_id, position)
    if line.meter is None:
        raise Http404
    return f"Calls behind: {line_title(request, document_id, position)}"


def calls_links(
    request: HttpRequest, document_id: int, position: int
) -> Iterable[Link]:
    """The line, and the file of the calls that the page shows, or of all."""
    line = LINE.url(document_id=document_id, position=position)
    query = request.GET.copy()
    query.pop("page", None)
    query["csv"] = "calls"
    links = [
        Link("Back to the line", line),
        Link("Download these (CSV)", f"?{query.urlencode()}"),
    ]
    return [*links, Link("Download all calls of the line (CSV)", "?csv=calls")]


CALLS = AgencyPanels(
    name="invoice_line_calls",
    path="billing/document/<int:document_id>/lines/<int:position>/calls/",
    title=calls_title,
    permission=Action.VIEW_MONEY,
    links=calls_links,
)


@LINE.panel("line", order=10)
def summary(request: HttpRequest, document_id: int, position: int) -> Panel:
    """The line, and how it comes to its amount."""
    line = line_in(request, document_id, position)
    currency = line.document.currency
    facts: list[tuple[str, Any]] = [
        ("Invoice", invoice_link(line.document)),
        ("Month", f"{line.month:%B %Y}"),
        ("Quantity", quantity_text(line)),
        ("Unit price", price_text(line)),
        ("Charge of the month", Money(line.charge, currency)),
    ]
    sentences = []
    if line.kind == DocumentLine.Kind.SEAT:
        days = days_in_month(line.month)
        sentences.append(f"A seat that was there on all {days} days is a full seat.")
    if line.charge != line.amount_now:
        facts.append(("Part that this payer owes", Money(line.amount_now, currency)))
        sentences.append(f"Others pay the rest of what {line.agency.code} owes.")
    if line.amount_before:
        facts.append(("Billed before", Money(line.amount_before, currency)))
    if line.late:
        sentences.append(
            "It is late: the month was billed before, and this is the difference."
        )
    return Panel(
        key="line",
        title="Amount",
        figure=Money(line.amount, currency),
        sentences=sentences,
        facts=facts,
    )


@LINE.panel("seats", order=20)
def seats(request: HttpRequest, document_id: int, position: int) -> Panel | None:
    """The holders of seats behind a seat line, with their days and amounts."""
    line = line_in(request, document_id, position)
    if line.kind != DocumentLine.Kind.SEAT:
        return None
    currency, rows = line.document.currency, seats_behind(line)
    agents = Agent.objects.filter(
        agency=line.agency_id, external_id__in=[row.agent for row in rows]
    )
    names = dict(agents.values_list("external_id", "name"))
    numbers = {seat: n for n, seat in enumerate(sorted({r.seat_id for r in rows}), 1)}
    return Panel(
        key="seats",
        title="Seats and days",
        table=Table(
            columns=["Holder", "Name", "Seat", "Days", "Amount"],
            rows=[
                (
                    row.agent,
                    names.get(row.agent, ""),
                    f"Seat {numbers[row.seat_id]}",
                    row.days,
                    Money(row.amount, currency),
                )
                for row in rows
            ],
            total=(
                f"{len(numbers)} seats", "", "", sum(row.days for row in rows),
                Money(line.charge, currency),
            ),
            empty="No seat was there on any day of the month.",
        ),
        is_wide=True,
    )  # fmt: skip


@LINE.panel("agents", order=30)
def agents_of_line(
    request: HttpRequest, document_id: int, position: int
) -> Panel | None:
    """Usage by agent, each a link to the calls."""
    line = line_in(request, document_id, position)
    if line.meter is None:
        return None
    parts = usage_by_agent(line)
    links = {
        part.agent_id: CALLS.url(
            {"agent": part.agent or NO_AGENT},
            document_id=document_id,
            position=position,
        )
        for part in parts
    }
    rows = [
        (
            Link(part.agent or "No agent", links[part.agent_id]),
            part.name,
            *_usage_cells(part, line),
        )
        for part in parts
    ]
    return _usage_panel(line, "agents", ["Agent", "Name"], rows, parts)


@LINE.panel("days", order=40)
def days_of_line(request: HttpRequest, document_id: int, position: int) -> Panel | None:
    """Usage by local date, each a link to the calls."""
    line = line_in(request, document_id, position)
    if line.meter is None:
        return None
    parts = usage_by_day(line)
    rows = [
        (
            Link(
                f"{part.used_on}",
                CALLS.url(
                    {"day": f"{part.used_on}"},
                    document_id=document_id,
                    position=position,
                ),
            ),
            *_usage_cells(part, line),
        )
        for part in parts
    ]
    return _usage_panel(line, "days", ["Day"], rows, parts)


def _usage_panel(
    line: DocumentLine,
    key: str,
    names: list[str],
    rows: list[Any],
    parts: list[UsagePart],
) -> Panel:
    assert line.meter
    unit = f"{line.meter.raw_unit}s"
    total = UsagePart(
        None, "", "", None, sum(part.events for part in parts), line.raw,
        line.billable, line.charge,
    )  # fmt: skip
    return Panel(
        key=key,
        title=f"By {key.removesuffix('s')}",
        table=Table(
            columns=[*names, "Records", f"Used, {unit}", f"Billed, {unit}", "Amount"],
            rows=rows,
            total=["Total", *[""] * (len(names) - 1), *_usage_cells(total, line)],
            empty="Nothing was used.",
        ),
        is_wide=True,
    )


def _usage_cells(part: UsagePart, line: DocumentLine) -> tuple[Any, ...]:
    money = Money(part.amount, line.document.currency)
    return part.events, part.raw, part.billable, money
