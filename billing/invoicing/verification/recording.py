"""Findings as rows: opened when first seen, resolved when a pass sees them no more."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from billing.invoicing.integrity import VerificationFinding, VerificationRun
from billing.invoicing.verification.findings import PLATFORM, About, Finding
from billing.invoicing.verification.notifications import notify_changes
from seats.errors import ReasonMissing, Refusal
from seats.locks import lock_name
from seats.models import Agency

SHOWN = 20  # single differences that a row keeps in words
LONGEST = 500  # characters of each
RECORDING = "verification_findings"
SEEN = ["count", "details", "digest", "last_seen_at"]
FindingKey = tuple[str, About]
Covers = Callable[[VerificationFinding], bool]


class NotOpen(Refusal):
    code = "finding_not_open"


@dataclass(slots=True)
class FindingGroup:
    """The differences of one code about one object."""

    texts: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The same for the same differences, in whatever order they were found."""
        return hashlib.sha256("\n".join(sorted(self.texts)).encode()).hexdigest()

    @property
    def details(self) -> list[str]:
        return [text[:LONGEST] for text in self.texts[:SHOWN]]


@dataclass(frozen=True, slots=True)
class FindingChanges:
    """What recording changed."""

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

    Rows that `covers` says were looked at, and were not seen again, are resolved. An
    accepted row stays accepted while it says the same. Repeating changes nothing but
    the time last seen. Opens a transaction, or joins the caller's.
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
            if (key not in groups and covers(row)) or _says_more(row, groups.get(key))
        ]
        seen = [
            _seen(row, groups.pop(key), now)
            for key, row in open_rows.items()
            if key in groups and row not in gone
        ]
        VerificationFinding.objects.bulk_update(seen, SEEN)
        rows = VerificationFinding.objects.filter(pk__in=[row.pk for row in gone])
        rows.update(resolved_at=now)
        opened = _open(groups, run, now)
        notify_changes(opened, gone, run=run, now=now)
    return FindingChanges(opened, len(gone))


def accept_finding(
    *, finding: VerificationFinding, reason: str, actor: str, now: datetime
) -> VerificationFinding:
    """Accept that a difference is right, so that it no longer holds any document.

    It covers what the finding says now: another difference of the same object opens
    a new one. Raises ReasonMissing, and NotOpen for one that is settled already.
    """
    if not reason.strip():
        raise ReasonMissing("Enter a reason for accepting the finding.", field="reason")
    with transaction.atomic():
        lock_name(RECORDING)
        row = VerificationFinding.objects.get(pk=finding.pk)
        if row.state != "open":
            raise NotOpen(f"Finding {row.pk} is already {row.state}.")
        row.accepted_at, row.accepted_by, row.accepted_reason = now, actor, reason
        row.save(update_fields=["accepted_at", "accepted_by", "accepted_reason"])
    return row


def _grouped(findings: Iterable[Finding]) -> dict[FindingKey, FindingGroup]:
    """By code and object; what names an agency that does not exist names none."""
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


def _says_more(row: VerificationFinding, group: FindingGroup | None) -> bool:
    """Whether it was accepted, and now says something else."""
    return bool(row.accepted_at and group and group.digest != row.digest)


def _seen(
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
    made = VerificationFinding.objects.bulk_create(
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
    rows = VerificationFinding.objects.filter(pk__in=[row.pk for row in made])
    rows = rows.select_related("agency", "document", "price_list")
    return list(rows.order_by("pk"))
