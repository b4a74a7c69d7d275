"""A processor that is told by signed webhook, and answers by signed webhook. Pure.

What it says in the answer to our telling is only whether it has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Literal
from uuid import UUID

import msgspec

from billing.money import plain
from billing.payments.processors.port import (
    Charge,
    ChargeTold,
    DoesNotFit,
    Fact,
    NotSigned,
    Outcome,
)
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
NEVER_LEFT = ("not allowed: ", "dns: ")  # errors from before there is a connection
LONGEST_ID = 200


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


class Told(msgspec.Struct):
    """`reference` is the processor's id of a payment; `hard`: never ask again."""

    attempt: UUID
    amount: str
    currency: str
    reference: str = ""
    reason: str = ""
    hard: bool = False


class Answer(msgspec.Struct):
    """A body that it signed."""

    type: Literal[
        "payment.pending", "payment.succeeded", "payment.declined", "payment.failed"
    ]
    data: Told


@dataclass(frozen=True, slots=True)
class WebhookProcessor:
    """One receiver of `payment.requested` and `payment.inquired`.

    `secret` signs what it is told; each of `theirs` may sign what it tells.
    """

    url: str
    secret: str
    theirs: Sequence[str]
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

    def verified(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """`webhook-id`, where one of its secrets signed this in the last minutes."""
        event_id = headers.get("webhook-id", "")
        signed = any(
            is_signed(headers, body, secret=secret, now=now) for secret in self.theirs
        )
        if len(event_id) > LONGEST_ID or not event_id.isprintable() or not signed:
            raise NotSigned("No signature of the processor, or not of these minutes.")
        return event_id

    def read(self, body: bytes) -> Sequence[Fact]:
        """What it says; there is nowhere to ask again."""
        try:
            answer = msgspec.json.decode(body, type=Answer)
            amount = Decimal(answer.data.amount)
        except (msgspec.DecodeError, RecursionError, InvalidOperation) as error:
            raise DoesNotFit("It cannot be read.") from error
        if not amount.is_finite():
            raise DoesNotFit("It is over no amount.")
        told = answer.data
        return [ChargeTold(told.attempt, amount, told.currency, _outcome(answer))]

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


def _outcome(answer: Answer) -> Outcome:
    told = answer.data
    reason = told.reason.replace("\0", "\ufffd")
    if answer.type == "payment.succeeded":
        return Outcome("succeeded", told.reference, reason)
    if answer.type == "payment.failed":
        return Outcome("failed", reason=reason)
    if answer.type == "payment.pending":
        return Outcome("pending", reason=reason)
    return Outcome("declined_hard" if told.hard else "declined_soft", reason=reason)
