"""Methods that nobody is to be charged by any more."""

from collections.abc import Collection

from django.db import connection

from seats.arrays import array_text

# The bank declined for good, or took back for good what was charged by it.
SPENT = """(
    EXISTS (
        SELECT FROM billing_paymentattempt AS tried
        WHERE tried.method_id = method.id AND tried.state = 'declined_hard')
    OR EXISTS (
        SELECT FROM billing_paymentattempt AS tried
        JOIN billing_paymentprocessor AS asked ON asked.id = tried.processor_id
        JOIN billing_payment AS payment
            ON payment.processor = asked.code AND payment.reference = tried.reference
        JOIN billing_dispute AS dispute ON dispute.payment_id = payment.id
        WHERE tried.method_id = method.id AND tried.state = 'succeeded'
          AND dispute.state = 'lost')
)"""
AMONG = f"""
    SELECT method.id FROM billing_paymentmethod AS method
    WHERE method.id = ANY(%s::bigint[]) AND {SPENT}
"""


def spent_methods(method_ids: Collection[int]) -> set[int]:
    """Those that were declined for good, or whose bank took a payment back."""
    if not method_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(AMONG, [array_text(method_ids)])
        return {method_id for (method_id,) in cursor.fetchall()}
