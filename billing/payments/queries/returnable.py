"""What is left of payments to give back."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from billing.payments.attempt_states import OPEN, sql_list
from seats.arrays import array_text

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
class Left:
    """What became of a payment; of a reversed one nothing was `captured`.

    `withheld` is disputed, `asked` is being given back."""

    captured: Decimal
    refunded: Decimal
    lost: Decimal
    withheld: Decimal
    asked: Decimal

    @property
    def kept(self) -> Decimal:
        """What did not go back."""
        return self.captured - self.refunded - self.lost

    @property
    def there(self) -> Decimal:
        """What the processor can give back."""
        return self.kept - self.withheld

    @property
    def refundable(self) -> Decimal:
        """What somebody may still ask to be given back."""
        return self.there - self.asked


def left_of(payment_ids: Collection[int]) -> dict[int, Left]:
    """By payment, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(LEFT, [array_text(payment_ids)])
        return {pk: Left(*sums) for pk, *sums in cursor.fetchall()}
