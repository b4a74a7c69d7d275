"""What came of each row of a file, in rows and in answered seconds. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from billing.metering.domain.events import IngestResult
from billing.metering.domain.formats.rows import Row
from core.money import plain

ACCEPTED, DUPLICATE, REJECTED = "accepted", "duplicate", "rejected"
SKIPPED, WAITING, UNREAD = "skipped", "waiting", "unread"
CORRECTED = "corrected"
NO_RESULT = IngestResult("")
MOST_REASONS = 50
OTHER_REASONS = "other reasons"


class RowOutcome(NamedTuple):
    """What came of a row: the result of its event or its rejection, else the reason."""

    row: Row
    kind: str
    result: IngestResult = NO_RESULT
    reason: str = ""


def add_reasons(
    before: Mapping[str, int], outcomes: Iterable[RowOutcome]
) -> dict[str, int]:
    """The number of rows that are no usage, by reason, with those of a chunk."""
    counts: Counter[str] = Counter(before)
    for outcome in outcomes:
        if outcome.kind == SKIPPED:
            has_room = outcome.reason in counts or len(counts) < MOST_REASONS
            counts[outcome.reason if has_room else OTHER_REASONS] += 1
    return dict(counts)


def add_seconds(
    before: Mapping[str, str], outcomes: Iterable[RowOutcome], corrected: Decimal
) -> dict[str, str]:
    """The answered seconds by outcome, as decimals in text, with those of a chunk.

    These are the seconds that the records say, whether they count or not. Beside them
    are those that earlier legs count more or less because of these records.
    """
    sums = {kind: Decimal(text) for kind, text in before.items()}
    if corrected:
        sums[CORRECTED] = sums.get(CORRECTED, Decimal(0)) + corrected
    for outcome in outcomes:
        if outcome.row.seconds:
            sums[outcome.kind] = (
                sums.get(outcome.kind, Decimal(0)) + outcome.row.seconds
            )
    return {kind: plain(seconds) for kind, seconds in sums.items()}
