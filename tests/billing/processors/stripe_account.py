"""A Stripe account in memory: its objects, its rules, and its journal.

As strict as Stripe. The journal is what was really charged and refunded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

Resource = dict[str, Any]
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
class StripeAccount:
    """One account in test mode."""

    clock: Callable[[], datetime]
    objects: dict[str, Resource] = field(default_factory=dict)
    journal: list[Charged] = field(default_factory=list)
    events: list[Resource] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    def now(self) -> int:
        return int(self.clock().timestamp())

    def get(self, reference: str, param: str = "id") -> Resource:
        if reference not in self.objects:
            raise Refused(404, "invalid_request_error", "resource_missing", param=param)
        return self.objects[reference]

    def add(self, prefix: str, kind: str, **fields: Any) -> Resource:
        made = {
            "id": f"{prefix}_{next(self.numbers)}", "object": kind,
            "created": self.now(), "livemode": False, "metadata": {}, **fields,
        }  # fmt: skip
        self.objects[made["id"]] = made
        return made

    def add_event(self, kind: str, about: Resource, **before: Any) -> Resource:
        data = {"object": dict(about)}
        if before:
            data["previous_attributes"] = before
        event = self.add(
            "evt", "event", type=kind, data=data, api_version="2026-10-28.endive"
        )
        self.events.append(event)
        return event

    def method(self, reference: str, customer: str | None) -> Resource:
        """A card that a customer saved."""
        card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
        method = {
            "id": reference, "object": "payment_method", "type": "card", "card": card,
            "created": self.now(), "livemode": False, "metadata": {},
            "customer": customer,
        }  # fmt: skip
        self.objects[reference] = method
        return method

    def create_customer(self, params: Resource) -> Resource:
        return self.add("cus", "customer", **params)

    def create_payment_intent(self, params: Resource) -> Resource:
        amount = int(params["amount"])
        if amount <= 0 or params["currency"] != params["currency"].lower():
            raise Refused(400, "invalid_request_error", "amount_too_small")
        method = self.get(params["payment_method"], "payment_method")
        if method["customer"] != self.get(params["customer"], "customer")["id"]:
            raise Refused(400, "invalid_request_error", "not_theirs")
        intent = self.add(
            "pi", "payment_intent", amount=amount, currency=params["currency"],
            customer=params["customer"], payment_method=method["id"],
            metadata=params.get("metadata", {}), status="requires_confirmation",
            last_payment_error=None, cancellation_reason=None, latest_charge=None,
            page=None,
        )  # fmt: skip
        self.add_event("payment_intent.created", intent)
        if params.get("confirm") == "true":
            self.confirm(intent, method["id"])
        return intent

    def confirm(self, intent: Resource, method: str) -> None:
        """Confirm an intent. Raises Refused for a decline, with the intent in it."""
        word = method.split("_")[1]
        intent["payment_method"] = method
        if word == "action":
            intent["status"] = "requires_action"
            self.add_event("payment_intent.requires_action", intent)
        elif word == "slow":
            intent["status"] = "processing"
            self.add_event("payment_intent.processing", intent)
        elif word in DECLINES:
            code, decline = DECLINES[word]
            detail = {"type": "card_error", "code": code, "decline_code": decline}
            if word == "advised":
                detail["advice_code"] = "do_not_try_again"
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = detail
            self.add_event("payment_intent.payment_failed", intent)
            raise Refused(
                402, "card_error", code, payment_intent=dict(intent), **{
                    name: value for name, value in detail.items()
                    if name not in {"type", "code"}
                },
            )  # fmt: skip
        else:
            self.succeed(intent)

    def succeed(self, intent: Resource) -> None:
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
        self._add_movement("charge", charge, intent["amount"])
        self.add_event("charge.succeeded", charge)
        self.add_event("payment_intent.succeeded", intent)

    def cancel_payment_intent(self, intent: Resource, params: Resource) -> Resource:
        if intent["page"] or intent["status"] not in CANCELABLE:
            raise Refused(
                400, "invalid_request_error", "payment_intent_unexpected_state"
            )
        intent |= {
            "status": "canceled",
            "cancellation_reason": params.get("cancellation_reason"),
        }
        self.add_event("payment_intent.canceled", intent)
        return intent

    def create_session(self, params: Resource) -> Resource:
        expires_at = int(params["expires_at"])
        if not 1800 <= expires_at - self.now() <= 24 * 3600:
            raise Refused(400, "invalid_request_error", "", param="expires_at")
        self.get(params["customer"], "customer")
        lines = params.get("line_items", {})
        price = lines["0"]["price_data"] if lines else {}
        session = self.add(
            "cs", "checkout.session", mode=params["mode"], customer=params["customer"],
            metadata=params.get("metadata", {}), status="open", payment_status="unpaid",
            amount_total=int(price["unit_amount"]) if price else None,
            currency=price["currency"] if price else params.get("currency"),
            expires_at=expires_at, payment_intent=None, setup_intent=None,
            intended=params.get("payment_intent_data") or params.get("setup_intent_data"),
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
            self.add_event("setup_intent.succeeded", intent)
            self.add_event("checkout.session.completed", session)
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
        self.add_event("checkout.session.completed", session)

    def expire_session(self, session: Resource) -> Resource:
        if session["status"] != "open":
            raise Refused(400, "invalid_request_error", "")
        session |= {"status": "expired", "url": None}
        if session["payment_intent"]:
            intent = self.get(session["payment_intent"])
            intent["page"] = None
            self.cancel_payment_intent(intent, {"cancellation_reason": "automatic"})
        self.add_event("checkout.session.expired", session)
        return session

    def let_pages_expire(self) -> None:
        """Those whose time is over."""
        for session in list(self.objects.values()):
            if (
                session["object"] == "checkout.session"
                and session["status"] == "open"
                and session["expires_at"] <= self.now()
            ):
                self.expire_session(session)

    def create_refund(self, params: Resource) -> Resource:
        intent = self.get(params["payment_intent"], "payment_intent")
        amount = int(params["amount"])
        back = sum(
            refund["amount"] for refund in self.of("refund", payment_intent=intent["id"])
            if refund["status"] != "failed"
        )  # fmt: skip
        if intent["status"] != "succeeded" or amount > intent["amount"] - back:
            raise Refused(400, "invalid_request_error", "charge_already_refunded")
        refund = self.add(
            "re", "refund", amount=amount, currency=intent["currency"],
            payment_intent=intent["id"], metadata=params.get("metadata", {}),
            status="succeeded", failure_reason=None,
        )  # fmt: skip
        self._add_movement("refund", refund, -amount)
        self.add_event("refund.created", refund)
        self.add_event("charge.refunded", self.get(intent["latest_charge"]))
        return refund

    def dispute(self, intent: Resource, status: str) -> Resource:
        """The bank opens a dispute or an inquiry."""
        made = self.add(
            "du", "dispute", amount=intent["amount"], currency=intent["currency"],
            payment_intent=intent["id"], reason="fraudulent", status=status,
        )  # fmt: skip
        self._add_movement("dispute", made, -intent["amount"])
        self.add_event("charge.dispute.created", made)
        return made

    def of(self, kind: str, **fields: Any) -> list[Resource]:
        """Objects of a kind with these values, the latest first."""
        rows: Iterable[Resource] = reversed(list(self.objects.values()))
        return [
            row for row in rows
            if row["object"] == kind
            and all(row.get(name) == value for name, value in fields.items())
        ]  # fmt: skip

    def _intent_of(self, session: Resource) -> Resource:
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

    def _add_movement(self, category: str, source: Resource, amount: int) -> None:
        self.add(
            "txn", "balance_transaction", reporting_category=category, amount=amount,
            currency=source["currency"], source=source["id"], fee=59,
        )  # fmt: skip
