"""The staff admin of billing runs and their payers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.invoicing.admin import effects
from billing.invoicing.admin.months import months_offered, newest_month
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.runs import release_item, request_run
from billing.invoicing.tasks import close_due_items, start_due_months
from core.admin.actions import ActionOutcome, staff_action, work_each
from core.admin.base import autocomplete
from core.admin.cells import MonthFilter, RunMonthFilter
from core.admin.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    actor_and_now,
)
from core.parsing.values import parse_month
from core.queue.doorbell import ring


class StartForm(AddingForm):
    """Starts a run, once the plan was looked at."""

    month = forms.ChoiceField(
        choices=months_offered,
        initial=newest_month,
        help_text="Look at its plan first: what is billed by it, and against last month.",
    )
    reason = forms.CharField(max_length=500)
    confirmed = forms.BooleanField(
        label="Bill it now",
        help_text="Every payer of the plan gets its document. It is reviewed, issued and"
        " charged as always; a draft can be discarded, an issued document voided.",
    )

    class Meta:
        model = BillingRun
        fields = ["payer"]
        widgets = {"payer": autocomplete(BillingRun, "payer")}

    def add(self, cleaned: dict[str, Any]) -> BillingRun:
        return request_run(
            month=parse_month(cleaned["month"]),
            payer=cleaned["payer"],
            actor=self.actor,
            now=timezone.now(),
        )


@admin.register(BillingRun)
class BillingRunAdmin(AddingAdmin):
    """Billing runs, and how many of their payers are processed or parked."""

    menu = ("Billing runs", "Runs")
    list_display = [
        "page",
        "payer",
        "progress",
        "parked",
        "started_at",
        "finished_at",
    ]
    list_select_related = ["payer"]
    list_display_links = None
    list_filter = [MonthFilter]
    search_fields = ["payer__code"]
    adding_form = StartForm
    adding_fields = ["month", "payer", "reason", "confirmed"]

    @admin.display(description="run", ordering="month")
    def page(self, run: BillingRun) -> str:
        """A link to the page that shows how far the run has come."""
        address = reverse("admin:billing_run", args=[run.pk])
        return format_html('<a class="link" href="{}">{}</a>', address, run)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """One run is started at a time, and watched then."""
        options = {
            "title": "Start a billing run",
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        return super().add_view(request, form_url, {**options, **(extra_context or {})})

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """With the reason, as of all that staff do."""
        reason = f"Billing was started. Reason: {request.POST['reason']}"
        return super().log_addition(request, obj, reason)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows how far the run has come."""
        ring(start_due_months)
        self.message_user(request, f"Billing of {obj.month:%B %Y} was started.")
        return redirect("admin:billing_run", pk=obj.pk)

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
