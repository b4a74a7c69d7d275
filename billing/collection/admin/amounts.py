"""How admin lists of payments, refunds and disputes show amounts."""

from typing import Any

from django.contrib import admin

from core.admin.cells import money_cell


class WithMoney:
    """A column for rows that have an `amount` in a `currency`."""

    @admin.display(description="amount", ordering="amount")
    def money(self, row: Any) -> str:
        """The amount with its currency and that currency's decimal places."""
        return money_cell(row.amount, row.currency)
