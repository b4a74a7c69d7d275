"""The staff admin of billing runs and their payers."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from billing.invoicing.admin import effects
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.runs import release_item
from billing.invoicing.tasks import close_due_items
from core.admin.actions import ActionOutcome, staff_action, work_each
from core.admin.cells import MonthFilter, RunMonthFilter
from core.admin.readonly import ReadOnlyAdmin, actor_and_now
from core.queue.doorbell import ring


@admin.register(BillingRun)
class BillingRunAdmin(ReadOnlyAdmin):
    """Billing runs, and how many of their payers are processed or parked."""

    menu = ("Billing runs", "Runs")
    list_display = [
        "__str__",
        "payer",
        "progress",
        "parked",
        "started_at",
        "finished_at",
    ]
    list_select_related = ["payer"]
    list_filter = [MonthFilter]
    search_fields = ["payer__code"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingRun]:
        processed = Q(items__state__in=["done", "parked", "released"])
        runs: QuerySet[BillingRun] = super().get_queryset(request)
        return runs.annotate(
            total=Count("items"),
            processed=Count("items", filter=processed),
            parked_count=Count("items", filter=Q(items__state="parked")),
        )

    @admin.display(description="payers processed")
    def progress(self, run: Any) -> str:
        return f"{run.processed} of {run.total}"

    @admin.display(description="parked", ordering="parked_count")
    def parked(self, run: Any) -> int:
        return int(run.parked_count)


@admin.register(RunItem)
class RunItemAdmin(ReadOnlyAdmin):
    """The payers of runs; the filter "parked" shows those that wait for a person."""

    menu = ("Billing runs", "Payers of runs")
    list_display = [
        "payer", "run", "state", "code", "last_error", "documents",
    ]  # fmt: skip
    list_select_related = ["payer", "run"]
    list_filter = ["state", "code", RunMonthFilter]
    search_fields = ["payer__code"]
    actions = ["release", "accept"]

    @staff_action(
        "Bill parked payers again",
        effects=effects.release_effects,
        undo="A draft that it makes can be discarded, an issued document voided.",
        done="released",
        atomic=False,
    )
    def release(
        self, request: HttpRequest, items: list[RunItem], data: dict[str, Any]
    ) -> ActionOutcome:
        return _release(request, items, accept_outliers=False)

    @staff_action(
        "Accept the unusual total and bill again",
        effects=effects.accept_effects,
        undo="A draft that it makes can be discarded, an issued document voided.",
        done="released",
        atomic=False,
    )
    def accept(
        self, request: HttpRequest, items: list[RunItem], data: dict[str, Any]
    ) -> ActionOutcome:
        return _release(request, items, accept_outliers=True)


def _release(
    request: HttpRequest, items: list[RunItem], *, accept_outliers: bool
) -> ActionOutcome:
    who = actor_and_now(request)

    def work(item: RunItem) -> None:
        release_item(item=item, accept_outliers=accept_outliers, **who)

    outcome = work_each(items, work)
    ring(close_due_items)
    return outcome
