"""The dunning of an agency, on its page for staff."""

from django.http import HttpRequest
from django.utils import timezone

from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.queries import with_debts
from core.admin.panels import Cell, Money, Panel, Table
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)


@AGENCY.panel("dunning", order=340, permission="billing.view_dunningcase")
def dunning_panel(request: HttpRequest, code: str) -> Panel:
    """The open case with its steps, what is owed, and when the next step is."""
    agency = shown_agency(request, code)
    cases = DunningCase.objects.filter(payer=agency, closed_at=None)
    opened = list(cases.select_related("payer", "invoice"))
    links = [list_for("All cases", "billing_dunningcase", "payer", agency)]
    if not opened:
        sentence = "No case is open: nothing is late."
        return Panel(key="dunning", title="Dunning", sentences=[sentence], links=links)
    (case,) = with_debts(opened, now=timezone.now())
    rows: list[list[Cell]] = [
        ["State", case.get_state_display()],
        ["Owed", Money(case.owed, agency.currency)],
        ["Overdue", Money(case.overdue, agency.currency)],
        ["Next step", case.postponed_to],
        ["Paused until", case.held_until or "not paused"],
    ]
    steps = first_rows(DunningStep.objects.filter(case=case).order_by("-pk"))
    return Panel(
        key="dunning",
        title="Dunning",
        table=Table(["What", "Is"], rows),
        sentences=[
            f"{step.at:%Y-%m-%d %H:%M} UTC: {step.get_kind_display()}"
            f"{f' ({step.note})' if step.note else ''}"
            for step in steps
        ],
        links=[row_link("billing_dunningcase", case, "The case"), *links],
    )
