"""Which payers carry an agency's charges on which dates. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from core.errors import Refusal
from core.periods import next_month


class SharesNotWhole(Refusal):
    """The payer shares do not sum to 100 %, or a share is not a valid percentage.

    Enter shares above 0 with at most 6 decimal places that sum to 100.
    """

    code = "shares_not_whole"


class MonthCutOff(Refusal):
    """The month is already closed, so its payers can no longer change.

    Choose a later month as the start of the shares.
    """

    code = "month_cut_off"


class OtherCurrency(Refusal):
    """The payer and the agency use different currencies.

    Choose a payer with the same currency as the agency.
    """

    code = "other_currency"


@dataclass(frozen=True, slots=True)
class ShareSet:
    """The payers of an agency from a local date on, and the cut-off it was recorded at.

    `shares` are fractions by payer id that sum to 1.
    """

    id: int
    starts_on: date
    cutoff: int
    shares: Mapping[int, Fraction]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a month, [starts_on, ends_on), with one set of payers by id."""

    starts_on: date
    ends_on: date
    shares: Mapping[int, Fraction]


def month_segments(
    share_sets: Sequence[ShareSet], *, agency_id: int, month: date, cutoff: int
) -> list[Segment]:
    """Split a month where the payers change, as of a cut-off.

    Of several sets that start on one date, the newest holds. Before the first set, or
    without any, the agency pays for itself.
    """
    end = next_month(month)
    by_start: dict[date, ShareSet] = {}
    for share_set in sorted(share_sets, key=lambda recorded: recorded.id):
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
