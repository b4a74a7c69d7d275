"""Legs of calls that wait for another one before they are decided."""

from billing.metering.models import ConversationLeg


def count_waiting_legs() -> int:
    """How many legs of calls are read but not decided yet."""
    waiting = ConversationLeg.State.WAITING
    return ConversationLeg.objects.filter(state=waiting).count()
