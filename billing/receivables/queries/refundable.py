"""What can still be refunded of payments."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from billing.processors.domain.attempt_states import OPEN, sql_list
from core.postgres.arrays import array_text

# Sums by table first: joined, rows of one would multiply those of another.
LEFT = f"""
    SELECT payment.id, CASE WHEN reversed_at IS NULL THEN payment.amount ELSE 0 END,
           coalesce((SELECT sum(amount) FROM billing_refund
                     WHERE payment_id = payment.id), 0),
           coalesce((SELECT sum(amount) FROM billing_dispute
                     WHERE payment_id = payment.id AND state = 'lost'), 0),
           coalesce((SELECT sum(amount) FROM billing_dispute
                     WHERE payment_id = payment.id AND state = 'open'), 0),
           coalesce((SELECT sum(amount) FROM billing_refundattempt
                     WHERE payment_id = payment.id
                       AND state IN ({sql_list(OPEN)})), 0)
    FROM billing_payment AS payment WHERE payment.id = ANY(%s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class PaymentBalance:
    """Where the money of a payment is, in its currency.

    `captured` is 0 for a reversed payment, `lost` went to lost disputes, `withheld` is
    in open disputes, and `refunding` is in open refund attempts.
    """

    captured: Decimal
    refunded: Decimal
    lost: Decimal
    withheld: Decimal
    refunding: Decimal

    @property
    def retained(self) -> Decimal:
        """What was neither refunded nor lost."""
        return self.captured - self.refunded - self.lost

    @property
    def available(self) -> Decimal:
        """What the processor can refund: retained and not withheld by a dispute."""
        return self.retained - self.withheld

    @property
    def refundable(self) -> Decimal:
        """What may still be requested as a refund: available, and in no open attempt."""
        return self.available - self.refunding


def payment_balances(payment_ids: Collection[int]) -> dict[int, PaymentBalance]:
    """Balances of these payments by payment id, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(LEFT, [array_text(payment_ids)])
        return {pk: PaymentBalance(*sums) for pk, *sums in cursor.fetchall()}
