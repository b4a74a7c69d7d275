"""How lists of payments, refunds and disputes show amounts to staff."""

from typing import Any

from django.contrib import admin

from billing.money import money_text


class WithMoney:
    """Rows over an `amount` in a `currency`."""

    @admin.display(description="amount", ordering="amount")
    def money(self, row: Any) -> str:
        """With its currency, and no more places than that has."""
        return f"{money_text(row.amount, row.currency)} {row.currency}"
