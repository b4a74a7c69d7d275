"""What of mails waits for staff."""

from datetime import datetime

from billing.mail.models import Mail
from core.admin.today import Waiting, list_of, waiting, waits

UNSENT = ["failed", "held"]


@waits(
    "Mails that were not sent",
    order=50,
    permission="billing.view_mail",
    todo="Correct the address or the mail server, then send them again.",
    url=list_of("billing_mail", state__in=",".join(UNSENT)),
)
def unsent_mails(now: datetime) -> Waiting:
    """Mails that failed too often, or wait for a mail server to be set."""
    return waiting(Mail.objects.filter(state__in=UNSENT), "created_at")
