"""Pages of processors, for staff: opened for a payer, looked at, closed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.invoicing.models import Document
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentProcessor
from billing.payments.services.page_closing import close_payment_page
from billing.payments.services.pages import (
    Asked,
    open_payment_page,
    open_setup_page,
)
from seats.models import Agency
from seats.readonly import AddingAdmin, AddingForm, try_each


class PageForm(AddingForm):
    """A page on which an invoice is paid, or on which a payer saves a method."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", status__in=["open", "uncollectible"]),
        required=False,
        help_text="To be paid on the page.",
    )
    payer = forms.ModelChoiceField(
        Agency.objects.all(),
        required=False,
        help_text="Without an invoice: who saves a method.",
    )
    processor = forms.ModelChoiceField(PaymentProcessor.objects.filter(kind="stripe"))
    return_url = forms.CharField(
        required=False, max_length=500, help_text="Where the payer goes afterwards."
    )

    class Meta:
        model = HostedPage
        fields = ["processor"]

    def clean(self) -> dict[str, Any]:
        if bool(self.cleaned_data.get("invoice")) == bool(
            self.cleaned_data.get("payer")
        ):
            self.add_error(None, "Choose either an invoice or a payer.")
        return super().clean()

    def add(self, told: dict[str, Any]) -> HostedPage:
        asked = Asked(self.actor, told["return_url"], told["processor"])
        if told["invoice"]:
            return open_payment_page(
                invoice=told["invoice"], asked=asked, clock=timezone.now
            )
        return open_setup_page(payer=told["payer"], asked=asked, clock=timezone.now)


@admin.register(HostedPage)
class HostedPageAdmin(AddingAdmin):
    """Adding one opens it; its URL is for the payer alone."""

    list_display = [
        "payer", "kind", "processor", "state", "opened_at", "expires_at", "owner",
        "closed_at",
    ]  # fmt: skip
    list_select_related = ["payer", "owner", "processor", "attempt"]
    list_filter = ["kind", "processor"]
    search_fields = ["payer__code", "reference"]
    fields = [
        "kind", "payer", "processor", "attempt", "state", "url", "return_url",
        "reference", "owner", "actor", "opened_at", "expires_at", "closed_at",
    ]  # fmt: skip
    readonly_fields = ["state"]
    saves_in_transaction = False  # to open a page asks the processor
    adding_form = PageForm
    adding_fields = ["invoice", "payer", "processor", "return_url"]
    actions = ["close"]

    @admin.display(description="state of the charge")
    def state(self, page: HostedPage) -> str:
        return page.attempt.get_state_display() if page.attempt else "-"

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """The form has opened it."""
        said = (
            f"Send the payer here, until {obj.expires_at:%Y-%m-%d %H:%M} UTC: {obj.url}"
        )
        self.message_user(request, said, messages.SUCCESS)

    @admin.action(description="Close, so that nobody pays on it", permissions=["add"])
    def close(self, request: HttpRequest, rows: QuerySet[HostedPage]) -> None:
        def work(page: HostedPage) -> None:
            close_payment_page(page=page, clock=timezone.now)

        chosen = rows.exclude(attempt=None).select_related(
            "processor", "attempt__invoice__payer"
        )
        try_each(self, request, chosen, work, "asked to be closed.")
