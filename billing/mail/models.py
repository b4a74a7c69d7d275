"""Mails: the queue of those to be sent, and the record of those that were."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.postgres.columns import UUID7, partial_index
from core.queue.models import QueueItem, QueueStates
from seats.models import Agency

MAILS = QueueStates(waiting=("queued",), leased=("sending",))
# Their links make whoever has them the user; nobody but the addressee reads them.
PERSONAL = frozenset({"invitation", "password_reset"})


class Mail(QueueItem):
    """A mail, rendered in the transaction that caused it. The row is the queue.

    All attempts have the same Message-ID, made from the public id.
    """

    queue = MAILS

    class State(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        HELD = "held", "held: no mail server is set"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(
        Agency,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="The agency the mail is about. Empty: the platform.",
    )
    template = models.CharField(max_length=64)
    subject_key = models.CharField(
        max_length=200,
        help_text="What the mail is about. Each address gets one mail per template and key.",
    )
    to = ArrayField(models.CharField(max_length=254))
    subject = models.CharField(max_length=250)
    text = models.TextField()
    html = models.TextField()
    state = models.CharField(max_length=8, choices=State)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("send_again_mail", "Can send a mail again"),
        ]
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "subject_key", "to"], name="one_mail_per_cause"
            ),
            models.CheckConstraint(
                condition=Q(to__len__gt=0), name="mail_recipients_required"
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | ~Q(state="sent") & Q(sent_at__isnull=True),
                name="mail_sent_at_matches_state",
            ),
            MAILS.lease_check("mail_lease_matches_state"),
        ]
        indexes = [
            MAILS.due_index("mails_to_send"),
            partial_index("mails_not_sent", "created_at", state__in=["failed", "held"]),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.subject_key}"
