"""The staff admin of verification runs and findings."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.invoicing.verification.recording import accept_finding
from core.admin.actions import ActionOutcome, staff_action, unchanged_if, work_each
from core.admin.readonly import ReadOnlyAdmin, actor_and_now


class StateFilter(admin.SimpleListFilter):
    """Open, accepted or resolved; only open findings hold documents."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in ("open", "accepted", "resolved")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[VerificationFinding]
    ) -> QuerySet[VerificationFinding]:
        if self.value() == "resolved":
            return queryset.filter(resolved_at__isnull=False)
        if self.value() in {"open", "accepted"}:
            is_open = self.value() == "open"
            return queryset.filter(resolved_at=None, accepted_at__isnull=is_open)
        return queryset


def accept_effects(
    findings: list[VerificationFinding], data: dict[str, Any] | None
) -> list[str]:
    """The differences of each finding, and the documents that are collected again."""
    return [
        unchanged_if(
            finding.state != "open",
            f"{finding} has {finding.count} differences, first {finding.details[0]}."
            f" {_collected_again(finding)}",
        )
        for finding in findings
    ]


def _collected_again(finding: VerificationFinding) -> str:
    if finding.state != "open":
        return f"It is already {finding.state} and holds nothing."
    if finding.scope == "platform":
        return "It holds no documents."
    return "The documents it holds are collected as they are."


@admin.register(VerificationFinding)
class VerificationFindingAdmin(ReadOnlyAdmin):
    """Differences that verification found, and the documents that each one holds."""

    menu = ("Health", "Findings of verification")
    list_display = [
        "code", "state", "agency_code", "month", "document", "scope", "count",
        "first_seen_at", "last_seen_at",
    ]  # fmt: skip
    list_select_related = ["agency", "document"]
    list_filter = [StateFilter, "code"]
    search_fields = ["agency__code", "code"]
    fields = [
        "code", "state", "scope", "agency", "month", "document", "price_list", "count",
        "differences", "first_run", "first_seen_at", "last_seen_at", "resolved_at",
        "accepted_at", "accepted_by", "accepted_reason", "public_id",
    ]  # fmt: skip
    readonly_fields = ["state", "differences", "public_id"]
    actions = ["accept"]

    @admin.display(description="agency", ordering="agency__code")
    def agency_code(self, finding: VerificationFinding) -> str:
        return finding.agency.code if finding.agency else ""

    @admin.display(description="the first differences")
    def differences(self, finding: VerificationFinding) -> str:
        return format_html_join(
            "", "<div>{}</div>", ((text,) for text in finding.details)
        )

    @staff_action(
        "Accept and collect again",
        effects=accept_effects,
        undo="An acceptance cannot be undone. Another change of the same object opens a"
        " new finding, which holds documents again.",
        done="accepted",
    )
    def accept(
        self,
        request: HttpRequest,
        findings: list[VerificationFinding],
        data: dict[str, Any],
    ) -> ActionOutcome:
        who = {**actor_and_now(request), "reason": data["reason"]}

        def work(finding: VerificationFinding) -> None:
            accept_finding(finding=finding, **who)

        return work_each(findings, work)


@admin.register(VerificationRun)
class VerificationRunAdmin(ReadOnlyAdmin):
    """The hourly and daily verification runs and their results."""

    menu = ("Health", "Verification passes")
    list_display = [
        "kind", "state", "started_at", "finished_at", "findings", "opened", "resolved",
        "actor",
    ]  # fmt: skip
    list_filter = ["kind", "state"]
    exclude = ["pending_facts"]
    readonly_fields = ["facts_since"]

    @admin.display(description="facts since the last bill", empty_value="-")
    def facts_since(self, run: VerificationRun) -> int | None:
        """Recorded after their agency was last billed.

        Older ones of a month that is not billed yet are not counted.
        """
        return run.pending_facts
