"""A processor that is told by signed webhook, and answers by signed webhook. Pure.

Its answers come to a door of ours; here only the telling is known.
"""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import msgspec

from billing.money import plain
from billing.payments.processors.port import Charge, Outcome
from billing.webhooks.sending import Limits, send
from billing.webhooks.sending import Outcome as Sent
from billing.webhooks.signing import signed_headers

# It has read the request, and will not do it.
REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
NEVER_LEFT = ("not allowed: ", "dns: ")  # errors from before there is a connection


class Asked(msgspec.Struct):
    """What a processor is told of a charge."""

    attempt: UUID
    amount: str
    currency: str
    payer: str
    invoice: str


class Message(msgspec.Struct):
    """A body as Standard Webhooks has it."""

    type: str
    timestamp: datetime
    data: Asked


@dataclass(frozen=True, slots=True)
class WebhookProcessor:
    """One receiver of `payment.requested` and `payment.inquired`."""

    url: str
    secret: str
    limits: Limits

    def charge(self, charge: Charge, *, at: datetime) -> Outcome:
        """Tell it to charge. A 2xx means it has it; how it ends comes by webhook."""
        message = str(charge.key)
        sent = self._tell("payment.requested", message, charge, at)
        if sent.taken:
            return Outcome("pending")
        if sent.status in REFUSED:
            return Outcome("failed", reason=f"refused with {sent.status}")
        if sent.error.startswith(NEVER_LEFT):
            return Outcome("failed", reason=sent.error)
        return Outcome("unknown", reason=sent.error or f"answered {sent.status}")

    def look_up(self, charge: Charge, *, at: datetime) -> Outcome | None:
        """Ask it to tell again how it ended; that too comes by webhook."""
        message = f"{charge.key}-{charge.asked}"
        self._tell("payment.inquired", message, charge, at)
        return None

    def _tell(self, kind: str, message: str, charge: Charge, at: datetime) -> Sent:
        body = msgspec.json.encode(
            Message(
                type=kind,
                timestamp=charge.requested_at,
                data=Asked(
                    attempt=charge.key,
                    amount=plain(charge.amount),
                    currency=charge.currency,
                    payer=charge.payer,
                    invoice=charge.invoice,
                ),
            )
        )
        headers = signed_headers(
            message=message, body=body, secrets=[self.secret], at=at
        )
        headers["idempotency-key"] = str(charge.key)
        return send(self.url, body, headers, self.limits)
