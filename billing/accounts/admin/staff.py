"""The staff admin of accounts, suspensions, and payer shares."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.accounts.models import (
    AccountStanding,
    BillingAccount,
    PayerShare,
    PayerShareSet,
)
from billing.accounts.services import (
    lift_suspension,
    set_payer_shares,
    suspend_outbound,
)
from core.admin.actions import ActionOutcome, Unchanged, staff_action, work_each
from core.admin.base import StaffAdmin, autocomplete
from core.admin.dates import DateField
from core.admin.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    actor_and_now,
)
from core.errors import Refusal
from core.parsing.values import parse_decimal, shown
from seats.models import Agency


def suspend_effects(
    accounts: list[BillingAccount], data: dict[str, Any] | None
) -> list[str]:
    """One sentence for each account: the seats whose outbound calls stop."""
    suspended = _suspended(accounts)
    return [
        Unchanged(f"{code} was already suspended by staff.")
        if "staff" in suspended[code]
        else f"{code}: outbound calls of {seats} seats stop at once. Calls in progress"
        " continue, and usage is still billed."
        for code, seats in _open_seats(accounts)
    ]


def lift_effects(
    accounts: list[BillingAccount], data: dict[str, Any] | None
) -> list[str]:
    """One sentence for each account: the seats that may make outbound calls again."""
    suspended = _suspended(accounts)
    return [
        f"{code}: outbound calls of {seats} seats are allowed again at once, whether"
        " staff or dunning suspended them."
        if suspended[code]
        else Unchanged(f"{code} is not suspended.")
        for code, seats in _open_seats(accounts)
    ]


def _suspended(accounts: list[BillingAccount]) -> dict[str, set[str]]:
    """By agency code, who suspends it: staff or dunning. The newest row of each counts."""
    rows = AccountStanding.objects.filter(agency__in=[row.pk for row in accounts])
    newest = rows.order_by("agency_id", "cause", "-pk").distinct("agency_id", "cause")
    causes: dict[str, set[str]] = defaultdict(set)
    for code, cause, standing in newest.values_list(
        "agency__code", "cause", "standing"
    ):
        if standing == AccountStanding.Standing.SUSPENDED:
            causes[code].add(cause)
    return causes


def _open_seats(accounts: list[BillingAccount]) -> list[tuple[str, int]]:
    payers = Agency.objects.filter(pk__in=[account.pk for account in accounts])
    held = Q(seats__cancelled=False, seats__removed_on=None)
    counted = payers.annotate(held=Count("seats", filter=held)).order_by("code")
    return list(counted.values_list("code", "held"))


@admin.register(BillingAccount)
class BillingAccountAdmin(StaffAdmin):
    """Billing details of payers; calls of an agency are suspended and allowed here."""

    menu = ("Agencies", "Billing details")
    list_display = ["payer", "billing_name", "email", "next_number", "timeline"]
    list_select_related = ["payer"]
    search_fields = ["payer__code", "billing_name", "email"]
    ordering = ["payer__code"]
    readonly_fields = ["payer", "next_number", "last_hash"]
    actions = ["suspend", "lift"]

    @admin.display(description="timeline")
    def timeline(self, account: BillingAccount) -> str:
        url = reverse("admin:billing_timeline", args=[account.payer.code])
        return format_html('<a href="{}">timeline</a>', url)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: Any, obj: Any, form: Any, change: Any) -> None:
        """Leave out the counters: a billing run may have moved them meanwhile."""
        obj.save(update_fields=["billing_name", "address", "email", "tax_id"])

    @staff_action(
        "Suspend outbound calls",
        effects=suspend_effects,
        undo='Choose "Allow outbound calls again". It takes effect at once.',
        done="suspended",
    )
    def suspend(
        self, request: HttpRequest, accounts: list[BillingAccount], data: dict[str, Any]
    ) -> ActionOutcome:
        def work(account: BillingAccount) -> str | None:
            row = suspend_outbound(
                agency=account.payer, reason=data["reason"], **actor_and_now(request)
            )
            return None if row else "was already suspended"

        return work_each(accounts, work)

    @staff_action(
        "Allow outbound calls again",
        effects=lift_effects,
        undo='Choose "Suspend outbound calls". Dunning may also suspend them again.',
        done="allowed again",
    )
    def lift(
        self, request: HttpRequest, accounts: list[BillingAccount], data: dict[str, Any]
    ) -> ActionOutcome:
        def work(account: BillingAccount) -> str | None:
            row = lift_suspension(
                agency=account.payer, reason=data["reason"], **actor_and_now(request)
            )
            return None if row else "was not suspended"

        return work_each(accounts, work)


@admin.register(AccountStanding)
class AccountStandingAdmin(ReadOnlyAdmin):
    """The history of suspensions, read-only; the actions are on accounts."""

    menu = ("Agencies", "Suspensions")
    list_display = ["agency", "standing", "cause", "since", "reason", "actor"]
    list_select_related = ["agency"]
    list_filter = ["standing", "cause"]
    search_fields = ["agency__code"]


class BadLine(Refusal):
    """A line of the payer shares cannot be read.

    Enter one line for each payer: its agency code and a percentage.
    """

    code = "bad_line"


class ShareSetForm(AddingForm):
    """Enter who pays an agency's charges from a date on."""

    starts_on = DateField(
        help_text="The first date, in the agency's time zone, with these payers."
    )
    shares = forms.CharField(
        widget=forms.Textarea,
        help_text="One payer per line, with its percentage: PAYER 62.5. The percentages"
        " must sum to 100.",
    )
    elsewhere = "shares"

    class Meta:
        model = PayerShareSet
        fields = ["agency", "starts_on", "reason"]
        widgets = {"agency": autocomplete(PayerShareSet, "agency")}

    def add(self, cleaned: dict[str, Any]) -> PayerShareSet:
        return set_payer_shares(
            agency=cleaned["agency"],
            shares=_parse_shares(cleaned["shares"]),
            starts_on=cleaned["starts_on"],
            reason=cleaned["reason"],
            actor=self.actor,
            now=timezone.now(),
        )


class ShareInline(ReadOnlyInline):
    """The payers of a share set, with the percentage of each."""

    model = PayerShare
    fields = ["payer", "percent"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayerShare]:
        return super().get_queryset(request).select_related("payer")


@admin.register(PayerShareSet)
class PayerShareSetAdmin(AddingAdmin):
    """The history of payer shares. Adding a set records who pays from a date on."""

    menu = ("Agencies", "Payer shares")
    list_display = ["agency", "starts_on", "actor", "recorded_at", "cutoff"]
    list_select_related = ["agency"]
    search_fields = ["agency__code"]
    inlines = [ShareInline]
    adding_form = ShareSetForm
    adding_fields = ["agency", "starts_on", "shares", "reason"]


def _parse_shares(text: str) -> dict[Agency, Decimal]:
    """Percentages by payer, from one line each. Raises BadLine."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    agencies = {
        agency.code: agency
        for agency in Agency.objects.filter(code__in=[line[0] for line in lines])
    }
    shares: dict[Agency, Decimal] = {}
    for code, *percent in lines:
        payer = agencies.get(code)
        if payer is None:
            raise BadLine(
                f"There is no agency with the code {shown(code)}. Check the code."
            )
        if payer in shares:
            raise BadLine(f"{code} is listed twice. Enter one line for each payer.")
        try:
            (number,) = map(parse_decimal, percent)
        except ValueError as error:
            raise BadLine(
                f"The line of {code} cannot be read. Enter the payer's code and one"
                f" number: {code} 62.5"
            ) from error
        shares[payer] = number
    return shares
