"""The files of documents: the queue of those to be made, and the record of those made."""

from django.db import models
from django.db.models import Q

from billing.invoicing.models.documents import Document
from core.queue.models import QueueItem, QueueStates

FILES = QueueStates(waiting=("waiting",), leased=("rendering",))


class DocumentFile(QueueItem):
    """The PDF of a document, queued in the transaction that issues it.

    What a document does not say itself is frozen here, so a lost file is made again with
    the same bytes.
    """

    queue = FILES

    class State(models.TextChoices):
        WAITING = "waiting"
        RENDERING = "rendering"
        READY = "ready"

    document = models.OneToOneField(Document, models.PROTECT, related_name="file")
    template = models.CharField(max_length=32)
    issuer = models.JSONField(help_text="Name and address of the sender when issued.")
    site = models.CharField(
        max_length=200, blank=True, help_text="Address of the service when issued."
    )
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    path = models.CharField(max_length=200, blank=True)
    size = models.PositiveIntegerField(default=0, help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    rendered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "document files"
        constraints = [
            models.CheckConstraint(
                condition=Q(state="ready", rendered_at__isnull=False, size__gt=0)
                & ~Q(sha256="")
                & ~Q(path="")
                | ~Q(state="ready") & Q(rendered_at=None, size=0, sha256="", path=""),
                name="a_ready_file_has_its_hash",
            ),
            FILES.lease_check("document_file_lease_matches_state"),
        ]
        indexes = [FILES.due_index("document_files_to_render")]

    def __str__(self) -> str:
        return f"PDF of {self.document}"
