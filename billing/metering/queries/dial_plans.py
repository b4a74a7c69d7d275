"""The words by which agencies' dial plans name their contexts."""

from billing.metering.domain.directions import USUAL_WORDS, ContextWords
from billing.metering.models.dial_plans import DialPlan


def context_words_of(agency_id: int) -> ContextWords:
    """The words of an agency; none of its own without a dial plan."""
    plan = DialPlan.objects.filter(agency=agency_id).first()
    if plan is None:
        return USUAL_WORDS
    return ContextWords(tuple(plan.inbound_words), tuple(plan.outbound_words))
