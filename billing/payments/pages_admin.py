"""Pages of processors, for staff: opened for a payer, looked at, closed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from billing.invoicing.models import Document
from billing.money import money_label
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentAttempt, PaymentProcessor
from billing.payments.services.page_closing import close_payment_page
from billing.payments.services.pages import (
    Asked,
    open_payment_page,
    open_setup_page,
)
from seats.admin_actions import Outcome, Unchanged, staff_action, work_each
from seats.models import Agency
from seats.readonly import AddingAdmin, AddingForm
from seats.staff_admin import autocomplete


class PageForm(AddingForm):
    """A page on which an invoice is paid, or on which a payer saves a method."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", status__in=["open", "uncollectible"]),
        required=False,
        widget=autocomplete(PaymentAttempt, "invoice"),
        help_text="To be paid on the page.",
    )
    payer = forms.ModelChoiceField(
        Agency.objects.all(),
        required=False,
        widget=autocomplete(HostedPage, "payer"),
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


def close_effects(pages: list[HostedPage], data: dict[str, Any] | None) -> list[str]:
    """The pages that will be closed, and for which invoice."""
    return [
        f"{page.payer.code} cannot pay {page.attempt.invoice} over"
        f" {money_label(page.attempt.amount, page.attempt.currency)} on this page any"
        f" more: {page.processor} is asked to end it. If it was paid meanwhile, the"
        " payment is taken in."
        if page.attempt
        else Unchanged(
            f"{page} is not for an invoice: it expires by itself and is not closed."
        )
        for page in pages
    ]


@admin.register(HostedPage)
class HostedPageAdmin(AddingAdmin):
    """Adding one opens it; its URL is for the payer alone."""

    list_display = [
        "payer", "kind", "processor", "state", "opened_at", "expires_at", "owner",
        "closed_at",
    ]  # fmt: skip
    list_select_related = ["payer", "owner", "processor", "attempt__invoice__payer"]
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

    @staff_action(
        "Close, so that nobody can pay on it",
        effects=close_effects,
        undo="Open another page for the invoice.",
        done="asked to be closed",
        atomic=False,
    )
    def close(
        self, request: HttpRequest, pages: list[HostedPage], data: dict[str, Any]
    ) -> Outcome:
        def work(page: HostedPage) -> str | None:
            if page.attempt is None:
                return "pays no invoice"
            if page.attempt.state not in PaymentAttempt.OPEN:
                return "was already closed"
            close_payment_page(page=page, clock=timezone.now)
            return None

        return work_each(pages, work)
