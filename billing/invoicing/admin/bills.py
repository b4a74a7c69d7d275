"""The running bills that panels show, computed once for a request, and names of things."""

from collections.abc import Iterable, Sequence

from django.http import HttpRequest
from django.utils import timezone

from billing.accounts.models import BillingAccount
from billing.invoicing.domain.bill_changes import (
    LATE,
    PRICES,
    SEATS,
    TAX,
    BillItem,
    Change,
)
from billing.invoicing.services.running_bills import RunningBill, running_bills
from billing.pricing.models import Meter
from core.admin.panels import Money
from core.money import money_label, round_places
from core.periods import month_of
from seats.access.admin.overview import shown_agencies
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates

NAMES = {
    SEATS: ("Seats", "seat day"),
    LATE: ("Late lines", ""),
    PRICES: ("New price list", ""),
    TAX: ("Tax", ""),
}
from seats.models import Agency


def bills_of(request: HttpRequest) -> list[RunningBill]:
    """The bills of this month of the payers that the page is about, by code.

    This month is that of the earliest local date of them.
    """
    kept: list[RunningBill] | None = request.__dict__.get("running_bills")
    if kept is None:
        payers = _payers(request)
        now = timezone.now()
        days = local_dates([payer.pk for payer in payers], now=now).values()
        kept = []
        if days:
            bills = running_bills(
                payer_ids={payer.pk for payer in payers},
                month=month_of(min(days)),
                now=now,
            )
            kept = [bills[payer.pk] for payer in payers if payer.pk in bills]
        request.__dict__["running_bills"] = kept
    return kept


def _payers(request: HttpRequest) -> list[Agency]:
    """The payers that the page is about, as far as the database shows their accounts.

    The engine, which reads with rights of its own, computes no other's bill.
    """
    payers = shown_agencies(request, Action.VIEW_MONEY)
    accounts = BillingAccount.objects.filter(payer__in=payers)
    readable = set(accounts.values_list("payer", flat=True))
    return [payer for payer in payers if payer.pk in readable]


def priced_bills(request: HttpRequest) -> list[RunningBill]:
    """As `bills_of`, without those that cannot be computed."""
    return [bill for bill in bills_of(request) if bill.is_priced]


def things(request: HttpRequest) -> dict[str, tuple[str, str]]:
    """The name and the unit of each thing on a bill; read once for a request."""
    kept: dict[str, tuple[str, str]] | None = request.__dict__.get("billed_things")
    if kept is None:
        meters = Meter.objects.values_list("code", "name", "billed_unit")
        kept = NAMES | {code: (name, unit) for code, name, unit in meters}
        request.__dict__["billed_things"] = kept
    return kept


def by_currency(
    bills: Iterable[RunningBill],
) -> dict[str, list[RunningBill]]:
    """The bills by the currency of their payer, in order."""
    groups: dict[str, list[RunningBill]] = {}
    for bill in sorted(bills, key=lambda bill: bill.payer.currency):
        groups.setdefault(bill.payer.currency, []).append(bill)
    return groups


def items_of(bills: Sequence[RunningBill], name: str) -> list[BillItem]:
    """The items of all these bills: "before", "so_far" or "expected"."""
    return [item for bill in bills for item in getattr(bill, name)]


def signed(amount: Money) -> str:
    """An amount with its sign, for people."""
    sign = "\N{MINUS SIGN}" if amount.amount < 0 else "+"
    return f"{sign}{money_label(abs(amount.amount), amount.currency)}"


def change_text(
    change: Change, names: dict[str, tuple[str, str]], currency: str
) -> str:
    """A change in words: what, how much more or less of it, and what that comes to."""
    name, unit = names[change.thing]
    text = f"{name} {signed(Money(change.amount, currency))}"
    count = round_places(abs(change.more), 0)
    if not count or not unit:
        return text
    kind = "more" if change.more > 0 else "fewer"
    return f"{text} ({count:,} {kind} {unit}{'' if count == 1 else 's'})"
