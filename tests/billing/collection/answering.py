"""Events of processors, signed as they sign them."""

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import Client

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.refunds import RefundAttempt
from billing.processors.models import PaymentProcessor
from billing.webhooks.domain.signing import signed_headers, unseal


def charge_event_body(attempt: PaymentAttempt, kind: str, /, **changes: Any) -> bytes:
    data = {
        "attempt": str(attempt.public_id),
        "amount": str(attempt.amount),
        "currency": attempt.currency,
        **changes,
    }
    return json.dumps({"type": f"payment.{kind}", "data": data}).encode()


def refund_event_body(attempt: RefundAttempt, kind: str, /, **changes: Any) -> bytes:
    data = {
        "refund": str(attempt.public_id),
        "payment": attempt.payment.reference,
        "amount": str(attempt.amount),
        "currency": attempt.currency,
        **changes,
    }
    return json.dumps({"type": f"refund.{kind}", "data": data}).encode()


def signed(
    processor: PaymentProcessor, body: bytes, at: datetime, event_id: str = ""
) -> dict[str, str]:
    keys = settings.WEBHOOKS["SECRETS_KEYS"]
    return signed_headers(
        message=event_id or str(uuid4()),
        body=body,
        secrets=[unseal(processor.sealed_receiving, keys)],
        at=at,
    )


def post(
    client: Client, processor: PaymentProcessor, body: bytes, headers: dict[str, str]
) -> Any:
    return client.post(
        f"/api/v1/processors/{processor.code}/webhook",
        data=body,
        content_type="application/json",
        headers=headers,
    )


def post_signed(client: Client, body: bytes, header: str | None) -> Any:
    """Post an event of Stripe to its webhook endpoint."""
    return client.post(
        "/api/v1/processors/stripe/webhook",
        body,
        content_type="application/json",
        headers={} if header is None else {"Stripe-Signature": header},
    )
