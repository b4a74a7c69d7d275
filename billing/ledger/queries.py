"""Account balances from the ledger."""

from decimal import Decimal

from django.db.models import Sum

from billing.ledger.models import LedgerEntry
from seats.models import Agency


def balances_of(payer: Agency) -> dict[str, Decimal]:
    """The payer's balances that are not 0, by account; debits are positive."""
    entries = LedgerEntry.objects.filter(transaction__payer=payer)
    sums = entries.values_list("account").annotate(sum=Sum("amount"))
    return {account: total for account, total in sums.order_by("account") if total}
