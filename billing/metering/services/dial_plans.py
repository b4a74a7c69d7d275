"""Setting the words by which an agency's dial plan names its contexts."""

from collections.abc import Sequence
from datetime import datetime

from billing.metering.models.dial_plans import MOST_WORDS, DialPlan
from core.errors import Refusal
from core.parsing.values import shown
from seats.models import Agency

SHORTEST_WORD, LONGEST_WORD = 2, 40


class BadContextWord(Refusal):
    """A word of the dial plan is not valid.

    Send words of 2 to 40 printable characters without blanks or commas, each for one
    direction, and at most 50 a direction.
    """

    code = "bad_context_word"


def set_dial_plan(
    *,
    agency: Agency,
    inbound_words: Sequence[str],
    outbound_words: Sequence[str],
    actor: str,
    now: datetime,
) -> DialPlan:
    """Set the words that name contexts of an agency's dial plan, in any case.

    They replace those of before and hold for files that are imported from now on.
    Repeating is harmless. Raises BadContextWord.
    """
    inbound = _words("inbound_words", inbound_words)
    outbound = _words("outbound_words", outbound_words)
    if both := sorted(set(inbound) & set(outbound)):
        raise BadContextWord(
            f"{shown(both[0])} is a word of both directions. Send it for one of them.",
            field="outbound_words",
        )
    plan, _created = DialPlan.objects.update_or_create(
        agency=agency,
        defaults={
            "inbound_words": inbound,
            "outbound_words": outbound,
            "changed_by": actor,
            "changed_at": now,
        },
    )
    return plan


def _words(field: str, words: Sequence[str]) -> list[str]:
    """The words in lower case, each once. Raises BadContextWord."""
    for word in words:
        fits = SHORTEST_WORD <= len(word) <= LONGEST_WORD and word.isprintable()
        if not fits or " " in word or "," in word:
            raise BadContextWord(
                f"The word is {shown(word)}. Send {SHORTEST_WORD} to {LONGEST_WORD}"
                " printable characters without blanks or commas.",
                field=field,
            )
    folded = sorted({word.lower() for word in words})
    if len(folded) > MOST_WORDS:
        raise BadContextWord(
            f"There are {len(folded)} words. Send at most {MOST_WORDS}.", field=field
        )
    return folded
