"""What Stripe's errors and declines mean for a charge or a refund. Pure."""

import stripe

from billing.processors.adapters.stripe.client import (
    Resource,
    describe_error,
    error_detail,
    id_of,
)
from billing.processors.domain.port import ProcessorOutcome

# The bank or card network says: never again with this payment method.
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
DO_NOT_TRY_AGAIN = "do_not_try_again"  # the advice of Stripe, whatever the code is
NETWORK_DO_NOT_TRY = {"03", "21"}  # Mastercard: do not try again, payment cancelled
# The request was read, and nothing was begun by it.
NOTHING_HAPPENED = (
    stripe.InvalidRequestError,
    stripe.AuthenticationError,
    stripe.PermissionError,
)
MISSING_FOR_GOOD = {"payment_method", "customer"}


def outcome_of_error(error: stripe.StripeError) -> ProcessorOutcome:
    """What an error means for a call that may charge; in doubt it is unknown."""
    if isinstance(error, stripe.CardError):
        return outcome_of_decline(error_detail(error))
    if isinstance(error, NOTHING_HAPPENED):
        detail = error_detail(error)
        missing = detail.get("param")
        if detail.get("code") == "resource_missing" and missing in MISSING_FOR_GOOD:
            return ProcessorOutcome("declined_hard", reason=f"no such {missing}")
        return ProcessorOutcome("failed", reason=describe_error(error))
    return ProcessorOutcome("unknown", reason=describe_error(error))


def outcome_of_decline(detail: Resource) -> ProcessorOutcome:
    """A decline, for good or for now, by the error object that Stripe gives with it."""
    code = detail.get("decline_code") or detail.get("code")
    text = code if isinstance(code, str) and code.isprintable() else "declined"
    hard = (
        {text, detail.get("code")} & HARD
        or detail.get("advice_code") == DO_NOT_TRY_AGAIN
        or detail.get("network_advice_code") in NETWORK_DO_NOT_TRY
    )
    return ProcessorOutcome(
        "declined_hard" if hard else "declined_soft", reason=text[:150]
    )


def intent_id_of_error(error: stripe.StripeError) -> str:
    """The id of the PaymentIntent that an error left behind; empty without one."""
    return id_of(error_detail(error).get("payment_intent"))
