"""The mails about an agency, on its page for staff."""

from django.http import HttpRequest

from billing.mail.models import Mail
from core.admin.panels import Panel, Table
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)


@AGENCY.panel("mails", order=520, permission="billing.view_mail")
def mails_panel(request: HttpRequest, code: str) -> Panel:
    """The newest mails about it, to whom, and whether they were sent."""
    agency = shown_agency(request, code)
    mails = Mail.objects.filter(agency=agency).defer("text", "html")
    rows = [
        [
            row_link("billing_mail", mail, mail.subject),
            ", ".join(mail.to),
            mail.get_state_display(),
            mail.sent_at or mail.created_at,
        ]
        for mail in first_rows(mails.order_by("-pk"))
    ]
    return Panel(
        key="mails",
        title="Mails",
        table=Table(
            ["Subject", "To", "State", "At"], rows, empty="No mail is about it yet."
        ),
        links=[list_for("All mails", "billing_mail", "agency", agency)],
        is_wide=True,
    )
