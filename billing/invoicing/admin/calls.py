"""The calls behind a line of an invoice: of an agent, of a day, and as a file."""

from collections.abc import Iterator
from datetime import date
from itertools import islice

from django import forms
from django.http import HttpRequest, StreamingHttpResponse

from billing.accounts.admin.payers import at_payer
from billing.invoicing.admin.invoice import page_links, page_number
from billing.invoicing.admin.line import CALLS, LINE, NO_AGENT, line_in
from billing.invoicing.domain.itemized import ItemizedCall
from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.queries.calls import calls_behind
from core.admin.dates import DateField
from core.admin.dressing import DressedForm
from core.admin.pages import csv_file
from core.admin.panels import Link, Panel, Table
from core.periods import next_month
from seats.agencies.queries.agencies import zones_of
from seats.models import Agent

CALLS_A_PAGE = 100


class CallsForm(DressedForm, forms.Form):
    """Narrows the calls to an agent, a day, and those with a text."""

    agent = forms.CharField(required=False, max_length=200)
    day = DateField(required=False)
    q = forms.CharField(required=False, max_length=100, label="Search")


def calls_form(request: HttpRequest) -> CallsForm:
    """The form, filled in from the address."""
    return CallsForm(request.GET)


CALLS.filters = calls_form


@CALLS.panel("calls", order=10)
def calls(request: HttpRequest, document_id: int, position: int) -> Panel:
    """The calls of an agent or a day, a page of them."""
    line = line_in(request, document_id, position)
    if not (request.GET.get("agent") or request.GET.get("day")):
        return Panel(
            key="calls",
            title="Calls",
            sentences=["Choose an agent or a day above, or at the line."],
            links=[Link("Agents and days", LINE.url(
                document_id=document_id, position=position))],
        )  # fmt: skip
    page = page_number(request)
    first = page * CALLS_A_PAGE
    shown = list(islice(_matching(request, line), first, first + CALLS_A_PAGE + 1))
    has_more, shown = len(shown) > CALLS_A_PAGE, shown[:CALLS_A_PAGE]
    return Panel(
        key="calls",
        title="Calls",
        table=_calls_table(line, shown),
        links=page_links(request, page, has_more=has_more),
        is_wide=True,
        has_file=False,
    )


def _calls_table(line: DocumentLine, shown: list[ItemizedCall]) -> Table:
    assert line.meter
    zones = zones_of([line.agency_id])[line.agency_id]
    unit = f"{line.meter.raw_unit}s"
    return Table(
        columns=[
            "Time", "Agent", "Dial mode", f"Used, {unit}", f"Billed, {unit}",
            f"Amount before rounding, {line.document.currency}", "Source", "Id",
        ],
        rows=[
            (
                at_payer(call.answer, zones),
                call.agent or "No agent",
                call.dial_mode,
                call.raw_seconds,
                call.billed_seconds,
                call.amount_before_rounding,
                call.source,
                call.id,
            )
            for call in shown
        ],
        empty="No call is like that. Change the agent, the day or the text.",
    )  # fmt: skip


def _matching(request: HttpRequest, line: DocumentLine) -> Iterator[ItemizedCall]:
    """The calls that the address names; none for an agent or a day that is none."""
    form = calls_form(request)
    if not form.is_valid():
        return iter(())
    agent, day, text = (form.cleaned_data[name] for name in ("agent", "day", "q"))
    if not _is_within(line, day):
        return iter(())
    agent_id = None
    if agent and agent != NO_AGENT:
        rows = Agent.objects.filter(agency=line.agency_id, external_id=agent)
        agent_id = rows.values_list("pk", flat=True).first()
        if agent_id is None:
            return iter(())
    behind = calls_behind(line, agent_id=agent_id, used_on=day)
    return (
        call
        for call in behind
        if (agent != NO_AGENT or not call.agent) and _has_text(call, text)
    )


def _is_within(line: DocumentLine, day: date | None) -> bool:
    return day is None or line.month <= day < next_month(line.month)


def _has_text(call: ItemizedCall, text: str) -> bool:
    fields = (call.id, call.source, call.agent, call.dial_mode)
    return any(text.casefold() in field.casefold() for field in fields)


CALL_COLUMNS = [
    "time", "agent", "dial_mode", "used", "billed", "unit", "rate",
    "amount_before_rounding", "currency", "source", "id", "counted",
]  # fmt: skip


def calls_file(
    request: HttpRequest, document_id: int, position: int
) -> StreamingHttpResponse:
    """The calls that the page is about as CSV, in constant memory."""
    line = line_in(request, document_id, position)
    assert line.meter
    zones = zones_of([line.agency_id])[line.agency_id]
    rows = (
        (
            at_payer(call.answer, zones),
            call.agent,
            call.dial_mode,
            call.raw_seconds,
            call.billed_seconds,
            line.meter.raw_unit,
            call.rate,
            call.amount_before_rounding,
            line.document.currency,
            call.source,
            call.id,
            call.counted,
        )
        for call in _matching(request, line)
    )
    title = f"{line.document} line {line.position} calls"
    return csv_file(title, CALL_COLUMNS, rows)


CALLS.files["calls"] = calls_file
