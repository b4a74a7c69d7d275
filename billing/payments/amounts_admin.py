"""How lists of payments, refunds and disputes show amounts to staff."""

from typing import Any

from django.contrib import admin

from billing.cells import money_cell


class WithMoney:
    """Rows over an `amount` in a `currency`."""

    @admin.display(description="amount", ordering="amount")
    def money(self, row: Any) -> str:
        """With its currency, and no more places than that has."""
        return money_cell(row.amount, row.currency)
