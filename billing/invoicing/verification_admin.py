"""Verification passes and their findings, for staff."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join

from billing.invoicing.integrity import VerificationFinding, VerificationRun
from billing.invoicing.verification.recording import accept_finding
from seats.readonly import ReadOnlyAdmin, ReasonForm, acting, ask_and_do


class StateFilter(admin.SimpleListFilter):
    """Open ones hold documents; accepted and resolved ones hold nothing."""

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


@admin.register(VerificationFinding)
class VerificationFindingAdmin(ReadOnlyAdmin):
    """Differences between the books and what was recorded; what each one holds."""

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
            "", "<div>{}</div>", ((one,) for one in finding.details)
        )

    def has_accept_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.accept_verificationfinding")

    @admin.action(description="Accept, and collect again", permissions=["accept"])
    def accept(
        self, request: HttpRequest, findings: QuerySet[VerificationFinding]
    ) -> HttpResponse | None:
        def work(chosen: list[VerificationFinding], told: dict[str, Any]) -> None:
            for one in chosen:
                accept_finding(finding=one, **acting(request), **told)

        return ask_and_do(self, request, findings, ReasonForm, work)


@admin.register(VerificationRun)
class VerificationRunAdmin(ReadOnlyAdmin):
    """The hourly and the daily pass: when, and what came of each."""

    list_display = [
        "kind", "state", "started_at", "finished_at", "findings", "opened", "resolved",
        "actor",
    ]  # fmt: skip
    list_filter = ["kind", "state"]
