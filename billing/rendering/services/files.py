"""Queue, make and open the files of documents."""

import hashlib
import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import transaction

from billing.invoicing.models.documents import Document
from billing.rendering.domain.pages import pages_as_json
from billing.rendering.models import DocumentFile
from billing.rendering.queries.document_pages import pages_of
from billing.rendering.services.compiling import NotCompiled, compile_pdf
from core.errors import Kind, Refusal
from core.queue.models import kept_leased

TEMPLATE = "invoice"
LONGEST_ERROR = 500
log = logging.getLogger(__name__)


class FileNotReady(Refusal):
    """The PDF of the document is still being made.

    Try again in a minute.
    """

    code = "file_not_ready"
    kind = Kind.CONFLICT


def queue_files(*, document_ids: Collection[int], now: datetime) -> None:
    """Queue the files of documents that are being issued, in their transaction."""
    DocumentFile.objects.bulk_create(
        [
            DocumentFile(
                document_id=document_id,
                template=TEMPLATE,
                issuer=settings.ISSUER,
                site=settings.SITE_ADDRESS,
                created_at=now,
                next_attempt_at=now,
            )
            for document_id in sorted(document_ids)
        ]
    )


def render_due(*, clock: Callable[[], datetime]) -> int:
    """Make the files that are due; return how many were tried.

    A file whose template or storage fails waits with its error and is tried again.
    Safe to run repeatedly and concurrently.
    """
    rendering = settings.RENDERING
    for tried in range(rendering["CHUNK"]):
        now = clock()
        files = claim_files(now=now)
        if not files:
            return tried
        with kept_leased(files, now=now, lease=rendering["LEASE"]):
            _try(files[0], now)
    return int(rendering["CHUNK"])


def open_file(document: Document) -> bytes:
    """The PDF of a document. A file that is lost or damaged is made again.

    Raises FileNotReady.
    """
    rows = DocumentFile.objects.select_related(
        "document__payer", "document__price_list"
    )
    file = rows.filter(document=document).first()
    if file is None or file.state != DocumentFile.State.READY:
        raise FileNotReady(
            f"The PDF of {document} is still being made. Try again soon."
        )
    content = _read(file)
    if hashlib.sha256(content).hexdigest() == file.sha256:
        return content
    log.warning("The file %s is lost or damaged and is made again.", file.path)
    content = render(file)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        log.error("The file %s cannot be made again with the same bytes.", file.path)
        raise FileNotReady(f"The PDF of {document} is damaged. Contact support.")
    _store(file.path, content)
    return content


def render(file: DocumentFile) -> bytes:
    """The PDF of an issued document; the same each time. Raises NotCompiled."""
    issued_at = file.document.issued_at
    assert issued_at
    return compile_pdf(file.template, pages_as_json(pages_of(file)), at=issued_at)


def claim_files(*, now: datetime) -> list[DocumentFile]:
    """Lease the file that is due next, with its document; an empty list if none is."""
    rows = DocumentFile.objects.select_related(
        "document__payer", "document__price_list"
    )
    with transaction.atomic(durable=True):
        return rows.order_by("next_attempt_at", "pk").claim(
            now=now, lease=settings.RENDERING["LEASE"], limit=1
        )


def _try(file: DocumentFile, now: datetime) -> None:
    own = DocumentFile.objects.held([file])
    try:
        content = render(file)
        digest = hashlib.sha256(content).hexdigest()
        path = f"{file.document.payer_id}/{file.document.label}-{digest[:16]}.pdf"
        _store(path, content)
    except (NotCompiled, OSError) as error:
        log.warning("The PDF of %s was not made: %s", file.document, error)
        retry = now + settings.RENDERING["RETRY"]
        own.retry_later(retry, error=str(error)[:LONGEST_ERROR])
        return
    done: dict[str, Any] = {"path": path, "size": len(content), "sha256": digest}
    own.finish(DocumentFile.State.READY, rendered_at=now, last_error="", **done)


def _storage() -> Storage:
    return storages["documents"]


def _store(path: str, content: bytes) -> None:
    """Write a file; what an interrupted attempt left under its name is replaced."""
    storage = _storage()
    storage.delete(path)
    storage.save(path, ContentFile(content))


def _read(file: DocumentFile) -> bytes:
    """The bytes that are stored; none if the file is not there."""
    try:
        with _storage().open(file.path) as stored:
            return bytes(stored.read())
    except FileNotFoundError:
        return b""
