"""What Stripe's errors and objects say of a charge or a refund. Pure."""

from typing import Any

import stripe

from billing.payments.processors.port import ProcessorOutcome
from billing.payments.processors.stripe.calling import Told, id_of, why

# The bank, or a card network, says: never again with this card.
HARD = frozenset(
    [
        "authentication_not_handled",
        "authentication_required",
        "bank_account_unusable",
        "card_not_supported",
        "currency_not_supported",
        "debit_not_authorized",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_mandate",
        "invalid_number",
        "live_mode_test_card",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_account",
        "account_closed",
        "payment_intent_authentication_failure",
        "payment_method_not_available",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    ]
)
NEVER_AGAIN = "do_not_try_again"  # their advice, or a network's, whatever the code is
NETWORKS_NEVER = {"03", "21"}  # Mastercard: do not try again, payment cancelled
# The request was read, and nothing was begun by it.
NOTHING_HAPPENED = (
    stripe.InvalidRequestError,
    stripe.AuthenticationError,
    stripe.PermissionError,
)
GONE = {"payment_method", "customer"}
AFTER_A_HARD_DECLINE, AFTER_ANYTHING_ELSE = "abandoned", "requested_by_customer"


def outcome_of_error(error: stripe.StripeError) -> ProcessorOutcome:
    """What an error says of a call that may charge; in doubt it is unknown."""
    if isinstance(error, stripe.CardError):
        return declined(_detail(error))
    if isinstance(error, NOTHING_HAPPENED):
        detail = _detail(error)
        if detail.get("code") == "resource_missing" and detail.get("param") in GONE:
            return ProcessorOutcome(
                "declined_hard", reason=f"no such {detail['param']}"
            )
        return ProcessorOutcome("failed", reason=why(error))
    return ProcessorOutcome("unknown", reason=why(error))


def declined(detail: Told) -> ProcessorOutcome:
    """A decline by what their error object says of it."""
    code = detail.get("decline_code") or detail.get("code")
    text = code if isinstance(code, str) and code.isprintable() else "declined"
    hard = (
        {text, detail.get("code")} & HARD
        or detail.get("advice_code") == NEVER_AGAIN
        or detail.get("network_advice_code") in NETWORKS_NEVER
    )
    return ProcessorOutcome(
        "declined_hard" if hard else "declined_soft", reason=text[:150]
    )


def intent_in(error: stripe.StripeError) -> str:
    """The id of the intent that an error left behind, if there is one."""
    return id_of(_detail(error).get("payment_intent"))


def outcome_of_intent(intent: Told) -> ProcessorOutcome | None:
    """What a PaymentIntent at its end says; None where it may still go anywhere."""
    status = intent.get("status")
    if status == "succeeded":
        return ProcessorOutcome("succeeded", id_of(intent))
    if status == "processing":
        return ProcessorOutcome("pending", reason="the bank has it")
    if status != "canceled":
        return None
    last = intent.get("last_payment_error")
    if isinstance(last, dict):
        return declined(last)
    if intent.get("cancellation_reason") == AFTER_A_HARD_DECLINE:
        return ProcessorOutcome("declined_hard", reason="declined for good")
    return ProcessorOutcome("failed", reason="canceled")


def outcome_of_stopped(intent: Told) -> ProcessorOutcome:
    """What to say of an intent that waits for somebody, once it is canceled."""
    last = intent.get("last_payment_error")
    if isinstance(last, dict):
        return declined(last)
    if intent.get("status") == "requires_action":
        return ProcessorOutcome("declined_hard", reason="authentication_required")
    return ProcessorOutcome("failed", reason="canceled")


def outcome_of_refund(refund: Told) -> ProcessorOutcome:
    """What a Refund says of itself."""
    status, reference = refund.get("status"), id_of(refund)
    if status == "succeeded":
        return ProcessorOutcome("succeeded", reference)
    if status in {"pending", "requires_action"}:
        return ProcessorOutcome("pending", reference)
    if status in {"failed", "canceled"}:
        said = refund.get("failure_reason") or status
        return ProcessorOutcome("failed", reference, str(said)[:150])
    return ProcessorOutcome("unknown", reference, "in a state that is not known")


def _detail(error: stripe.StripeError) -> Told:
    body: Any = error.json_body
    detail = body.get("error") if isinstance(body, dict) else None
    return detail if isinstance(detail, dict) else {}
