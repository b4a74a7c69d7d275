"""Document lines as differences: what is owed now, less what was billed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import chain

from billing.invoicing.domain.charges import Charge, ChargeKey

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class ChargeDifference:
    """The amounts of a line: billed before and owed now; `charge` is None if gone."""

    key: ChargeKey
    charge: Charge | None
    before: Decimal
    now: Decimal
    late: bool = False

    @property
    def amount(self) -> Decimal:
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class MonthDocument:
    """The month and lines of a document, before it is stored.

    `deferred` are the ids of agencies whose late lines go on a later document. They are
    not on this one, so issuing it must not move their watermarks.
    """

    month: date
    lines: list[ChargeDifference]
    deferred: frozenset[int] = frozenset()


def differences(
    payer_id: int, charges: Iterable[Charge], billed: Mapping[ChargeKey, Decimal]
) -> list[ChargeDifference]:
    """Compare the payer's part of each charge with what was billed for the same key.

    Ordered by month and agency, with seats before meters. Differences of 0.00 are kept:
    a month that is billed for the first time shows all its usage.
    """
    by_key = {
        charge.key: ChargeDifference(
            charge.key,
            charge,
            billed.get(charge.key, ZERO),
            charge.parts.get(payer_id, ZERO),
        )
        for charge in charges
        if payer_id in charge.parts or charge.key in billed
    }
    for key, before in billed.items():
        by_key.setdefault(key, ChargeDifference(key, None, before, ZERO))
    return sorted(by_key.values(), key=lambda difference: _order(difference.key))


def split_by_document(
    lines: Iterable[ChargeDifference],
    new_months: Mapping[int, set[date]],
    through: date,
) -> list[MonthDocument]:
    """One document per newly closed month, in order, with the late lines.

    `new_months` are the months never billed to this payer, by agency id. A month whose
    lines are all 0.00 makes no document. All late lines of an agency go on the first
    document whose month is not before any of theirs; if there is none, on a document
    for `through`, which must not be before any line's month.
    """
    by_month: dict[date, list[ChargeDifference]] = {}
    late: dict[int, list[ChargeDifference]] = {}
    for line in lines:
        if line.key.month in new_months.get(line.key.agency_id, ()):
            by_month.setdefault(line.key.month, []).append(line)
        elif line.amount:
            late.setdefault(line.key.agency_id, []).append(replace(line, late=True))
    documents = {
        month: by_month[month]
        for month in sorted(by_month)
        if any(line.amount for line in by_month[month])
    }
    joins = {
        agency_id: _first_from(
            max(line.key.month for line in lines), documents, through
        )
        for agency_id, lines in late.items()
    }
    late_lines = sorted(chain(*late.values()), key=lambda line: _order(line.key))
    for line in late_lines:
        documents.setdefault(joins[line.key.agency_id], []).append(line)
    return [
        MonthDocument(
            month,
            documents[month],
            frozenset(agency for agency, joined in joins.items() if joined > month),
        )
        for month in sorted(documents)
    ]


def _first_from(month: date, documents: Iterable[date], through: date) -> date:
    return min(
        (document_month for document_month in documents if document_month >= month),
        default=through,
    )


def _order(key: ChargeKey) -> tuple[date, int, str]:
    return (key.month, key.agency_id, key.meter or "")
