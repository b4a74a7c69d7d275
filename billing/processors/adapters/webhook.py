"""A processor that is sent signed webhooks, and reports by signed webhooks. Pure.

Its response to a request says only whether it has accepted it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import msgspec

from billing.processors.domain.payloads import read_updates
from billing.processors.domain.port import (
    ChargeRequest,
    NotSigned,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundRequest,
)
from billing.webhooks.domain.signing import is_signed, signed_headers
from core.money import plain
from core.outbound.client import Limits, send
from core.outbound.client import Outcome as Response
from core.secrets import Secrets

# The processor has read the request, and will not carry it out.
REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
LONGEST_ID = 200


class ChargeRequestData(msgspec.Struct):
    """The `data` of a request to charge, or to report a charge again."""

    attempt: UUID
    amount: str
    currency: str
    payer: str
    invoice: str


class RefundRequestData(msgspec.Struct):
    """The `data` of a request to refund; `payment` is the processor's id of it."""

    refund: UUID
    payment: str
    amount: str
    currency: str


class RequestMessage(msgspec.Struct):
    """The body of a request, in the form of Standard Webhooks."""

    type: str
    timestamp: datetime
    data: ChargeRequestData | RefundRequestData


@dataclass(frozen=True, slots=True)
class WebhookProcessor:
    """One endpoint, by signed webhooks.

    `sending` signs our requests; `receiving` verifies the processor's events.
    """

    url: str
    sending: Secrets
    receiving: Secrets
    limits: Limits

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Request a charge. 2xx is `pending`: its end is reported by webhook."""
        message = str(charge.key)
        return outcome_of(self._send("payment.requested", message, charge, at))

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """Request the end of a charge again; it is reported by webhook, hence None."""
        message = f"{charge.key}-{charge.lookups}"
        self._send("payment.inquired", message, charge, at)
        return None

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        """Request a refund. 2xx is `pending`: its end is reported by webhook."""
        message = str(request.key)
        return outcome_of(self._send("refund.requested", message, request, at))

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """Request the end of a refund again; it is reported by webhook, hence None."""
        message = f"{request.key}-{request.lookups}"
        self._send("refund.inquired", message, request, at)
        return None

    def verify_event(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """The `webhook-id` of an event that it signed at most 5 minutes ago.

        Raises NotSigned.
        """
        event_id = headers.get("webhook-id", "")
        signed = any(
            is_signed(headers, body, secret=secret, now=now)
            for secret in self.receiving.at(now)
        )
        if not signed:
            raise NotSigned(
                "The signature is missing, not valid, or more than 5 minutes off. Sign"
                " the exact body with the secret with which the processor answers."
            )
        if len(event_id) > LONGEST_ID or not event_id.isprintable():
            raise NotSigned(
                f"The `webhook-id` is not up to {LONGEST_ID} printable characters."
            )
        return event_id

    def is_same_event(self, kept: bytes, body: bytes) -> bool:
        """Whether both are the same JSON, whatever the order of fields and blanks."""
        if kept == body:
            return True
        try:
            return bool(msgspec.json.decode(kept) == msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError):
            return False

    def read_updates(self, body: bytes) -> Sequence[ProcessorUpdate]:
        """The update of an event, as it was sent. Raises DoesNotFit."""
        return read_updates(body)

    def _send(
        self,
        kind: str,
        message: str,
        request: ChargeRequest | RefundRequest,
        at: datetime,
    ) -> Response:
        content = RequestMessage(kind, request.requested_at, _data_of(request))
        body = msgspec.json.encode(content)
        headers = signed_headers(
            message=message, body=body, secrets=self.sending.at(at), at=at
        )
        headers["idempotency-key"] = str(request.key)
        return send(self.url, body, headers, self.limits)


def outcome_of(response: Response) -> ProcessorOutcome:
    """What a response means for the request; `unknown` unless it is certain."""
    if response.taken:
        return ProcessorOutcome("pending")
    if response.status in REFUSED:
        return ProcessorOutcome("failed", reason=f"refused with {response.status}")
    if response.failure and response.failure.had_no_address:
        return ProcessorOutcome("failed", reason=response.error)
    return ProcessorOutcome(
        "unknown", reason=response.error or f"answered {response.status}"
    )


def _data_of(
    request: ChargeRequest | RefundRequest,
) -> ChargeRequestData | RefundRequestData:
    amount = plain(request.amount)
    if isinstance(request, RefundRequest):
        return RefundRequestData(request.key, request.payment, amount, request.currency)
    return ChargeRequestData(
        request.key, amount, request.currency, request.payer, request.invoice
    )
