"""Payment methods that must not be charged automatically any more."""

from collections.abc import Collection

from django.db import connection

from core.postgres.arrays import array_text

# The bank declined the method for good, or a payment by it was lost in a dispute.
UNUSABLE = """(
    EXISTS (
        SELECT FROM billing_paymentattempt AS attempt
        WHERE attempt.method_id = method.id AND attempt.state = 'declined_hard')
    OR EXISTS (
        SELECT FROM billing_paymentattempt AS attempt
        JOIN billing_paymentprocessor AS processor ON processor.id = attempt.processor_id
        JOIN billing_payment AS payment
            ON payment.processor = processor.code AND payment.reference = attempt.reference
        JOIN billing_dispute AS dispute ON dispute.payment_id = payment.id
        WHERE attempt.method_id = method.id AND attempt.state = 'succeeded'
          AND dispute.state = 'lost')
)"""
AMONG = f"""
    SELECT method.id FROM billing_paymentmethod AS method
    WHERE method.id = ANY(%s::bigint[]) AND {UNUSABLE}
"""


def unusable_methods(method_ids: Collection[int]) -> set[int]:
    """Those of these methods that were declined for good or lost a dispute."""
    if not method_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(AMONG, [array_text(method_ids)])
        return {method_id for (method_id,) in cursor.fetchall()}
