"""Stores findings: opened when first seen, resolved when no longer seen."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.invoicing.verification.findings import PLATFORM, About, Finding
from billing.invoicing.verification.notifications import notify_changes
from core.errors import ReasonMissing, Refusal
from core.postgres.locks import lock_name
from seats.models import Agency

MAX_DETAILS = 20  # differences whose text a row keeps
MAX_DETAIL_LENGTH = 500
RECORDING = "verification_findings"
SEEN_FIELDS = ["count", "details", "digest", "last_seen_at"]
FindingKey = tuple[str, About]
Covers = Callable[[VerificationFinding], bool]


class NotOpen(Refusal):
    """The finding is already accepted or resolved.

    Reload the page; only open findings can be accepted.
    """

    code = "finding_not_open"


@dataclass(slots=True)
class FindingGroup:
    """The differences of one code about one object."""

    texts: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 over the differences, independent of their order."""
        return hashlib.sha256("\n".join(sorted(self.texts)).encode()).hexdigest()

    @property
    def details(self) -> list[str]:
        return [text[:MAX_DETAIL_LENGTH] for text in self.texts[:MAX_DETAILS]]


@dataclass(frozen=True, slots=True)
class FindingChanges:
    """The findings that recording opened, and how many it resolved."""

    opened: Sequence[VerificationFinding]
    resolved: int


def record_findings(
    findings: Iterable[Finding],
    *,
    covers: Covers,
    run: VerificationRun | None,
    now: datetime,
) -> FindingChanges:
    """Store findings, one row for each code and object, and notify staff of changes.

    Rows that `covers` selects and that were not seen again are resolved. An accepted
    row stays accepted while its differences stay the same. Repeating changes only the
    time last seen. Opens a transaction, or joins the caller's.
    """
    groups = _grouped(findings)
    with transaction.atomic():
        lock_name(RECORDING)
        open_rows = {
            _key_of(row): row
            for row in VerificationFinding.objects.filter(resolved_at=None)
        }
        gone = [
            row
            for key, row in open_rows.items()
            if (key not in groups and covers(row))
            or _has_other_differences(row, groups.get(key))
        ]
        seen = [
            _update_seen(row, groups.pop(key), now)
            for key, row in open_rows.items()
            if key in groups and row not in gone
        ]
        VerificationFinding.objects.bulk_update(seen, SEEN_FIELDS)
        rows = VerificationFinding.objects.filter(pk__in=[row.pk for row in gone])
        rows.update(resolved_at=now)
        opened = _open(groups, run, now)
        notify_changes(opened, gone, run=run, now=now)
    return FindingChanges(opened, len(gone))


def accept_finding(
    *, finding: VerificationFinding, reason: str, actor: str, now: datetime
) -> VerificationFinding:
    """Accept a finding, so that it no longer holds any documents.

    Only its current differences are accepted: other differences of the same object
    open a new finding. Raises ReasonMissing, NotOpen.
    """
    if not reason.strip():
        raise ReasonMissing("Enter a reason for accepting the finding.", field="reason")
    with transaction.atomic():
        lock_name(RECORDING)
        row = VerificationFinding.objects.get(pk=finding.pk)
        if row.state != "open":
            raise NotOpen(
                f"Finding {row.pk} is already {row.state}. Only open findings can be"
                " accepted."
            )
        row.accepted_at, row.accepted_by, row.accepted_reason = now, actor, reason
        row.save(update_fields=["accepted_at", "accepted_by", "accepted_reason"])
    return row


def _grouped(findings: Iterable[Finding]) -> dict[FindingKey, FindingGroup]:
    """Findings by code and object; about the platform if the agency does not exist."""
    agencies = set(Agency.objects.values_list("pk", flat=True))
    groups: dict[FindingKey, FindingGroup] = {}
    for finding in findings:
        about = finding.about
        if about.agency is not None and about.agency not in agencies:
            about = PLATFORM
        group = groups.setdefault((finding.code, about), FindingGroup())
        group.texts.append(f"{finding.subject}: {finding.message}")
    return groups


def _key_of(row: VerificationFinding) -> FindingKey:
    about = About(
        row.scope, row.agency_id, row.month, row.document_id, row.price_list_id
    )
    return row.code, about


def _has_other_differences(
    row: VerificationFinding, group: FindingGroup | None
) -> bool:
    """Whether an accepted finding now has other differences than accepted."""
    return bool(row.accepted_at and group and group.digest != row.digest)


def _update_seen(
    row: VerificationFinding, group: FindingGroup, now: datetime
) -> VerificationFinding:
    row.count, row.details, row.digest = len(group.texts), group.details, group.digest
    row.last_seen_at = now
    return row


def _open(
    groups: Mapping[FindingKey, FindingGroup],
    run: VerificationRun | None,
    now: datetime,
) -> list[VerificationFinding]:
    created = VerificationFinding.objects.bulk_create(
        VerificationFinding(
            code=code,
            scope=about.scope,
            agency_id=about.agency,
            month=about.month,
            document_id=about.document,
            price_list_id=about.price_list,
            count=len(group.texts),
            details=group.details,
            digest=group.digest,
            first_run=run,
            first_seen_at=now,
            last_seen_at=now,
        )
        for (code, about), group in groups.items()
    )
    rows = VerificationFinding.objects.filter(pk__in=[row.pk for row in created])
    rows = rows.select_related("agency", "document", "price_list")
    return list(rows.order_by("pk"))
