"""A processor that is told by signed webhook, and answers by signed webhook. Pure.

What it says in the answer to our telling is only whether it has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import msgspec

from billing.money import plain
from billing.payments.processors.answers import read_updates
from billing.payments.processors.port import (
    ChargeRequest,
    NotSigned,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundRequest,
)
from billing.payments.processors.secrets import Secrets
from billing.webhooks.sending import Limits, send
from billing.webhooks.sending import Outcome as Sent
from billing.webhooks.signing import is_signed, signed_headers

# It has read the request, and will not do it.
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
    """What a processor is told of a charge."""

    attempt: UUID
    amount: str
    currency: str
    payer: str
    invoice: str


class RefundRequestData(msgspec.Struct):
    """What a processor is told of a refund; `payment` is its own id of it."""

    refund: UUID
    payment: str
    amount: str
    currency: str


class RequestMessage(msgspec.Struct):
    """A request body as Standard Webhooks has it."""

    type: str
    timestamp: datetime
    data: ChargeRequestData | RefundRequestData


@dataclass(frozen=True, slots=True)
class WebhookProcessor:
    """One receiver of what is requested, and of what is inquired about.

    Each of `ours` signs what it is told; each of `theirs` may sign what it tells.
    """

    url: str
    ours: Secrets
    theirs: Secrets
    limits: Limits

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Tell it to charge. A 2xx means it has it; how it ends comes by webhook."""
        message = str(charge.key)
        return outcome_of(self._tell("payment.requested", message, charge, at))

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """Ask it to tell again how it ended; that too comes by webhook."""
        message = f"{charge.key}-{charge.lookups}"
        self._tell("payment.inquired", message, charge, at)
        return None

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        """Tell it to give back, as for charges."""
        message = str(request.key)
        return outcome_of(self._tell("refund.requested", message, request, at))

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """Ask it to tell again what became of it."""
        message = f"{request.key}-{request.lookups}"
        self._tell("refund.inquired", message, request, at)
        return None

    def verify_event(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """`webhook-id`, where one of its secrets signed this in the last minutes."""
        event_id = headers.get("webhook-id", "")
        signed = any(
            is_signed(headers, body, secret=secret, now=now)
            for secret in self.theirs.at(now)
        )
        if len(event_id) > LONGEST_ID or not event_id.isprintable() or not signed:
            raise NotSigned("No signature of the processor, or not of these minutes.")
        return event_id

    def is_same_event(self, kept: bytes, body: bytes) -> bool:
        """The same JSON; the order of its fields and blanks make no difference."""
        if kept == body:
            return True
        try:
            return bool(msgspec.json.decode(kept) == msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError):
            return False

    def read_updates(self, body: bytes) -> Sequence[ProcessorUpdate]:
        """What it says; there is nowhere to ask again."""
        return read_updates(body)

    def _tell(
        self,
        kind: str,
        message: str,
        asked: ChargeRequest | RefundRequest,
        at: datetime,
    ) -> Sent:
        told = RequestMessage(
            type=kind, timestamp=asked.requested_at, data=_told_of(asked)
        )
        body = msgspec.json.encode(told)
        headers = signed_headers(
            message=message, body=body, secrets=self.ours.at(at), at=at
        )
        headers["idempotency-key"] = str(asked.key)
        return send(self.url, body, headers, self.limits)


def _told_of(
    asked: ChargeRequest | RefundRequest,
) -> ChargeRequestData | RefundRequestData:
    amount = plain(asked.amount)
    if isinstance(asked, RefundRequest):
        return RefundRequestData(asked.key, asked.payment, amount, asked.currency)
    return ChargeRequestData(
        asked.key, amount, asked.currency, asked.payer, asked.invoice
    )


def outcome_of(sent: Sent) -> ProcessorOutcome:
    """What the response to a request means; it is unknown unless it is certain."""
    if sent.taken:
        return ProcessorOutcome("pending")
    if sent.status in REFUSED:
        return ProcessorOutcome("failed", reason=f"refused with {sent.status}")
    if sent.failure and sent.failure.had_no_address:
        return ProcessorOutcome("failed", reason=sent.error)
    return ProcessorOutcome("unknown", reason=sent.error or f"answered {sent.status}")
