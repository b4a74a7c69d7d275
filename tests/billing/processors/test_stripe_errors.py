"""What Stripe's errors and declines mean for a charge."""

import pytest
import stripe as sdk

from billing.processors.adapters.stripe.errors import (
    HARD,
    outcome_of_decline,
    outcome_of_error,
)
from core.secrets import Secrets


class TestOutcomeOfError:
    @pytest.mark.parametrize("code", sorted(HARD))
    def test_never_again_with_such_a_card(self, code):
        assert outcome_of_decline({"decline_code": code}).kind == "declined_hard"
        assert outcome_of_decline({"code": code}).kind == "declined_hard"

    @pytest.mark.parametrize(
        "code",
        ["insufficient_funds", "do_not_honor", "try_again_later", "processing_error",
         "issuer_not_available", "card_velocity_exceeded", "a_new_code", 7, "\0", None],
    )  # fmt: skip
    def test_may_be_tried_again_otherwise(self, code):
        outcome = outcome_of_decline({"decline_code": code, "code": "card_declined"})

        assert outcome.kind == "declined_soft"
        assert outcome.reason.isprintable()

    def test_heeds_what_a_network_advises(self):
        detail = {"decline_code": "do_not_honor", "network_advice_code": "03"}

        assert outcome_of_decline(detail).kind == "declined_hard"

    @pytest.mark.parametrize(
        "body", [None, Secrets(""), "x", {"error": 1}, {"error": {}}]
    )
    def test_takes_errors_of_any_shape(self, body):
        for error in (
            sdk.CardError("m", None, None, json_body=body),
            sdk.APIError("m", json_body=body),
            sdk.InvalidRequestError("m", None, json_body=body),
        ):
            assert "m" not in outcome_of_error(error).reason.split()
