"""What Stripe's servers do to an account: its objects, its rules, and its journal.

As strict as they are. The journal says what was really charged and given back.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

Told = dict[str, Any]
# What banks say of cards, by the second word of a method's id: pm_visa_1, pm_lost.
DECLINES = {
    "declined": ("card_declined", "generic_decline"),
    "insufficient": ("card_declined", "insufficient_funds"),
    "expired": ("expired_card", "expired_card"),
    "lost": ("card_declined", "lost_card"),
    "advised": ("card_declined", "do_not_honor"),
    "sca": ("authentication_required", "authentication_required"),
}
CANCELABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, kind: str, code: str = "", **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.error = {"type": kind, "code": code, "message": f"about {code}", **more}


@dataclass(frozen=True)
class Charged:
    """One time that a card was charged."""

    attempt: str
    amount: int
    intent: str


@dataclass
class Account:
    """One account in test mode."""

    clock: Callable[[], datetime]
    objects: dict[str, Told] = field(default_factory=dict)
    journal: list[Charged] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    def now(self) -> int:
        return int(self.clock().timestamp())

    def get(self, reference: str, param: str = "id") -> Told:
        if reference not in self.objects:
            raise Refused(404, "invalid_request_error", "resource_missing", param=param)
        return self.objects[reference]

    def add(self, prefix: str, kind: str, **told: Any) -> Told:
        made = {
            "id": f"{prefix}_{next(self.numbers)}", "object": kind,
            "created": self.now(), "livemode": False, "metadata": {}, **told,
        }  # fmt: skip
        self.objects[made["id"]] = made
        return made

    def tell(self, kind: str, about: Told, **before: Any) -> Told:
        data = {"object": dict(about)}
        if before:
            data["previous_attributes"] = before
        event = self.add(
            "evt", "event", type=kind, data=data, api_version="2026-10-28.endive"
        )
        self.events.append(event)
        return event

    def method(self, reference: str, customer: str | None) -> Told:
        """A card that a customer saved."""
        card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
        found = {
            "id": reference, "object": "payment_method", "type": "card", "card": card,
            "created": self.now(), "livemode": False, "metadata": {},
            "customer": customer,
        }  # fmt: skip
        self.objects[reference] = found
        return found

    def create_customer(self, told: Told) -> Told:
        return self.add("cus", "customer", **told)

    def create_payment_intent(self, told: Told) -> Told:
        amount = int(told["amount"])
        if amount <= 0 or told["currency"] != told["currency"].lower():
            raise Refused(400, "invalid_request_error", "amount_too_small")
        method = self.get(told["payment_method"], "payment_method")
        if method["customer"] != self.get(told["customer"], "customer")["id"]:
            raise Refused(400, "invalid_request_error", "not_theirs")
        intent = self.add(
            "pi", "payment_intent", amount=amount, currency=told["currency"],
            customer=told["customer"], payment_method=method["id"],
            metadata=told.get("metadata", {}), status="requires_confirmation",
            last_payment_error=None, cancellation_reason=None, latest_charge=None,
            page=None,
        )  # fmt: skip
        self.tell("payment_intent.created", intent)
        if told.get("confirm") == "true":
            self.confirm(intent, method["id"])
        return intent

    def confirm(self, intent: Told, method: str) -> None:
        """Ask the bank. Raises Refused for a decline, with the intent in it."""
        word = method.split("_")[1]
        intent["payment_method"] = method
        if word == "action":
            intent["status"] = "requires_action"
            self.tell("payment_intent.requires_action", intent)
        elif word == "slow":
            intent["status"] = "processing"
            self.tell("payment_intent.processing", intent)
        elif word in DECLINES:
            code, decline = DECLINES[word]
            detail = {"type": "card_error", "code": code, "decline_code": decline}
            if word == "advised":
                detail["advice_code"] = "do_not_try_again"
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = detail
            self.tell("payment_intent.payment_failed", intent)
            raise Refused(
                402, "card_error", code, payment_intent=dict(intent), **{
                    name: value for name, value in detail.items()
                    if name not in {"type", "code"}
                },
            )  # fmt: skip
        else:
            self.succeed(intent)

    def succeed(self, intent: Told) -> None:
        """The card is charged, and the journal says so."""
        charge = self.add(
            "ch", "charge", amount=intent["amount"], currency=intent["currency"],
            payment_intent=intent["id"], customer=intent["customer"],
            metadata=dict(intent["metadata"]),
        )  # fmt: skip
        intent |= {"status": "succeeded", "latest_charge": charge["id"]}
        self.journal.append(
            Charged(
                intent["metadata"].get("attempt", ""), intent["amount"], intent["id"]
            )
        )
        self._moved("charge", charge, intent["amount"])
        self.tell("charge.succeeded", charge)
        self.tell("payment_intent.succeeded", intent)

    def cancel_payment_intent(self, intent: Told, told: Told) -> Told:
        if intent["page"] or intent["status"] not in CANCELABLE:
            raise Refused(
                400, "invalid_request_error", "payment_intent_unexpected_state"
            )
        intent |= {
            "status": "canceled",
            "cancellation_reason": told.get("cancellation_reason"),
        }
        self.tell("payment_intent.canceled", intent)
        return intent

    def create_session(self, told: Told) -> Told:
        expires_at = int(told["expires_at"])
        if not 1800 <= expires_at - self.now() <= 24 * 3600:
            raise Refused(400, "invalid_request_error", "", param="expires_at")
        self.get(told["customer"], "customer")
        lines = told.get("line_items", {})
        price = lines["0"]["price_data"] if lines else {}
        session = self.add(
            "cs", "checkout.session", mode=told["mode"], customer=told["customer"],
            metadata=told.get("metadata", {}), status="open", payment_status="unpaid",
            amount_total=int(price["unit_amount"]) if price else None,
            currency=price["currency"] if price else told.get("currency"),
            expires_at=expires_at, payment_intent=None, setup_intent=None,
            intended=told.get("payment_intent_data") or told.get("setup_intent_data"),
        )  # fmt: skip
        session["url"] = f"https://checkout.example.com/{session['id']}"
        return session

    def use_page(self, reference: str, card: str) -> None:
        """A payer enters a card on a page; a decline leaves it open."""
        session = self.get(reference)
        assert session["status"] == "open"
        method = self.method(card, session["customer"])
        if session["mode"] == "setup":
            intent = self.add(
                "seti", "setup_intent", status="succeeded", payment_method=card,
                customer=session["customer"], metadata=session["intended"]["metadata"],
            )  # fmt: skip
            session |= {"status": "complete", "setup_intent": intent["id"], "url": None}
            self.tell("setup_intent.succeeded", intent)
            self.tell("checkout.session.completed", session)
            return
        intent = self._intent_of(session)
        try:
            self.confirm(intent, method["id"])
        except Refused:
            return
        paid = intent["status"] == "succeeded"
        session |= {"status": "complete", "url": None}
        session["payment_status"] = "paid" if paid else "unpaid"
        intent["page"] = None
        self.tell("checkout.session.completed", session)

    def expire_session(self, session: Told) -> Told:
        if session["status"] != "open":
            raise Refused(400, "invalid_request_error", "")
        session |= {"status": "expired", "url": None}
        if session["payment_intent"]:
            intent = self.get(session["payment_intent"])
            intent["page"] = None
            self.cancel_payment_intent(intent, {"cancellation_reason": "automatic"})
        self.tell("checkout.session.expired", session)
        return session

    def let_pages_expire(self) -> None:
        """Those whose time is over."""
        for found in list(self.objects.values()):
            if (
                found["object"] == "checkout.session"
                and found["status"] == "open"
                and found["expires_at"] <= self.now()
            ):
                self.expire_session(found)

    def create_refund(self, told: Told) -> Told:
        intent = self.get(told["payment_intent"], "payment_intent")
        amount = int(told["amount"])
        back = sum(
            one["amount"] for one in self.of("refund", payment_intent=intent["id"])
            if one["status"] != "failed"
        )  # fmt: skip
        if intent["status"] != "succeeded" or amount > intent["amount"] - back:
            raise Refused(400, "invalid_request_error", "charge_already_refunded")
        refund = self.add(
            "re", "refund", amount=amount, currency=intent["currency"],
            payment_intent=intent["id"], metadata=told.get("metadata", {}),
            status="succeeded", failure_reason=None,
        )  # fmt: skip
        self._moved("refund", refund, -amount)
        self.tell("refund.created", refund)
        self.tell("charge.refunded", self.get(intent["latest_charge"]))
        return refund

    def dispute(self, intent: Told, status: str) -> Told:
        """A bank takes a payment back, or asks about it."""
        made = self.add(
            "du", "dispute", amount=intent["amount"], currency=intent["currency"],
            payment_intent=intent["id"], reason="fraudulent", status=status,
        )  # fmt: skip
        self._moved("dispute", made, -intent["amount"])
        self.tell("charge.dispute.created", made)
        return made

    def of(self, kind: str, **told: Any) -> list[Told]:
        """Objects of a kind with these values, the latest first."""
        rows: Iterable[Told] = reversed(list(self.objects.values()))
        return [
            row for row in rows
            if row["object"] == kind
            and all(row.get(name) == value for name, value in told.items())
        ]  # fmt: skip

    def _intent_of(self, session: Told) -> Told:
        if session["payment_intent"]:
            return self.get(session["payment_intent"])
        intent = self.add(
            "pi", "payment_intent", amount=session["amount_total"],
            currency=session["currency"], customer=session["customer"],
            payment_method=None, metadata=session["intended"]["metadata"],
            status="requires_payment_method", last_payment_error=None,
            cancellation_reason=None, latest_charge=None, page=session["id"],
        )  # fmt: skip
        session["payment_intent"] = intent["id"]
        return intent

    def _moved(self, category: str, source: Told, amount: int) -> None:
        self.add(
            "txn", "balance_transaction", reporting_category=category, amount=amount,
            currency=source["currency"], source=source["id"], fee=59,
        )  # fmt: skip
