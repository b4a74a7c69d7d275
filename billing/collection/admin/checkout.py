"""Admin pages of checkout pages: open one for a payer, view them, close them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.services.checkout import (
    PageOptions,
    open_payment_page,
    open_setup_page,
)
from billing.collection.services.checkout_closing import close_payment_page
from billing.invoicing.models.documents import Document
from billing.processors.models import PaymentProcessor
from core.admin.actions import ActionOutcome, Unchanged, staff_action, work_each
from core.admin.base import autocomplete
from core.admin.readonly import AddingAdmin, AddingForm
from core.money import money_label
from seats.models import Agency


class PageForm(AddingForm):
    """A checkout page to pay an invoice, or to save a payment method."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", state__in=["open", "uncollectible"]),
        required=False,
        widget=autocomplete(PaymentAttempt, "invoice"),
        help_text="Invoice to be paid on the page.",
    )
    payer = forms.ModelChoiceField(
        Agency.objects.all(),
        required=False,
        widget=autocomplete(CheckoutPage, "payer"),
        help_text="Without an invoice: the payer who saves a payment method.",
    )
    processor = forms.ModelChoiceField(PaymentProcessor.objects.filter(kind="stripe"))
    return_url = forms.CharField(
        required=False, max_length=500, help_text="Where the payer goes afterwards."
    )

    class Meta:
        model = CheckoutPage
        fields = ["processor"]

    def clean(self) -> dict[str, Any]:
        if bool(self.cleaned_data.get("invoice")) == bool(
            self.cleaned_data.get("payer")
        ):
            self.add_error(None, "Choose either an invoice or a payer, not both.")
        return super().clean()

    def add(self, cleaned: dict[str, Any]) -> CheckoutPage:
        options = PageOptions(self.actor, cleaned["return_url"], cleaned["processor"])
        if cleaned["invoice"]:
            return open_payment_page(
                invoice=cleaned["invoice"], options=options, clock=timezone.now
            )
        return open_setup_page(
            payer=cleaned["payer"], options=options, clock=timezone.now
        )


def close_effects(pages: list[CheckoutPage], data: dict[str, Any] | None) -> list[str]:
    """The checkout pages that will be closed, and for which invoice."""
    return [
        f"{page.payer.code} cannot pay {page.attempt.invoice} over"
        f" {money_label(page.attempt.amount, page.attempt.currency)} on this page any"
        f" more: {page.processor} is asked to close it. If it was paid meanwhile, the"
        " payment is recorded."
        if page.attempt
        else Unchanged(
            f"{page} is not for an invoice. It expires by itself and is not closed."
        )
        for page in pages
    ]


@admin.register(CheckoutPage)
class CheckoutPageAdmin(AddingAdmin):
    """Checkout pages; adding one opens it. Its URL is for the payer only."""

    menu = ("Payments", "Checkout pages")
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
    saves_in_transaction = False  # opening a page calls the processor
    adding_form = PageForm
    adding_fields = ["invoice", "payer", "processor", "return_url"]
    actions = ["close"]

    @admin.display(description="state of the attempt")
    def state(self, page: CheckoutPage) -> str:
        return page.attempt.get_state_display() if page.attempt else "-"

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Show the URL; the form has already opened the page."""
        message = (
            "Send the payer to this page before"
            f" {obj.expires_at:%Y-%m-%d %H:%M} UTC: {obj.url}"
        )
        self.message_user(request, message, messages.SUCCESS)

    @staff_action(
        "Close, so that nobody can pay on it",
        effects=close_effects,
        undo="Open another page for the invoice.",
        done="requested to close",
        atomic=False,
    )
    def close(
        self, request: HttpRequest, pages: list[CheckoutPage], data: dict[str, Any]
    ) -> ActionOutcome:
        def work(page: CheckoutPage) -> str | None:
            if page.attempt is None:
                return "is not for an invoice"
            if page.attempt.state not in PaymentAttempt.OPEN:
                return "was already closed"
            close_payment_page(page=page, clock=timezone.now)
            return None

        return work_each(pages, work)
