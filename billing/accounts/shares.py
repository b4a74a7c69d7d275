"""Who pays an agency's charges on which dates. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from seats.periods import next_month


@dataclass(frozen=True, slots=True)
class ShareSet:
    """The payers of an agency from a date on, as recorded under a cut-off."""

    id: int
    starts_on: date
    cutoff: int
    shares: Mapping[int, Fraction]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a month with one set of payers; their shares sum to 1."""

    starts_on: date
    ends_on: date
    shares: Mapping[int, Fraction]


def month_segments(
    share_sets: Sequence[ShareSet], *, agency_id: int, month: date, cutoff: int
) -> list[Segment]:
    """A month, cut where the payers change, as of a cut-off.

    Of several sets for one date the newest holds; before the first set, or without
    any, the agency pays for itself.
    """
    end = next_month(month)
    by_start: dict[date, ShareSet] = {}
    for share_set in sorted(share_sets, key=lambda known: known.id):
        if share_set.cutoff <= cutoff and share_set.starts_on < end:
            by_start[share_set.starts_on] = share_set
    shares: Mapping[int, Fraction] = {agency_id: Fraction(1)}
    segments: list[Segment] = []
    start = month
    for starts_on in sorted(by_start):
        if starts_on > month:
            segments.append(Segment(start, starts_on, shares))
            start = starts_on
        shares = by_start[starts_on].shares
    return [*segments, Segment(start, end, shares)]
