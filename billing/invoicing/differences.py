"""A document's lines: what is owed now less what was billed before. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from billing.invoicing.charges import Charge, Key

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One line to be: a key, its charge if any is left, before and now."""

    key: Key
    charge: Charge | None
    before: Decimal
    now: Decimal
    late: bool = False

    @property
    def amount(self) -> Decimal:
        return self.now - self.before


def differences(
    payer_id: int, charges: Iterable[Charge], billed: Mapping[Key, Decimal]
) -> list[Difference]:
    """Each charge against what was billed, and what was billed without a charge.

    Ordered by month, agency, seats before meters. Equal ones are left in: a month
    that is billed for the first time shows its usage at 0.00 too.
    """
    found = {
        charge.key: Difference(
            charge.key,
            charge,
            billed.get(charge.key, ZERO),
            charge.parts.get(payer_id, ZERO),
        )
        for charge in charges
        if payer_id in charge.parts or charge.key in billed
    }
    for key, before in billed.items():
        found.setdefault(key, Difference(key, None, before, ZERO))
    return sorted(found.values(), key=lambda difference: _order(difference.key))


def split_by_document(
    lines: Iterable[Difference], new_months: Mapping[int, set[date]], through: date
) -> list[tuple[date, list[Difference]]]:
    """One document per newly closed month, in order; late lines join the first.

    `new_months` are, by agency id, the months never billed to this payer. A month
    without a differing line makes no document.
    """
    by_month: dict[date, list[Difference]] = {}
    late: list[Difference] = []
    for line in lines:
        if line.key.month in new_months.get(line.key.agency_id, ()):
            by_month.setdefault(line.key.month, []).append(line)
        elif line.amount:
            late.append(replace(line, late=True))
    documents = [
        (month, by_month[month])
        for month in sorted(by_month)
        if any(line.amount for line in by_month[month])
    ]
    if late and documents:
        documents[0][1].extend(late)
    elif late:
        documents = [(through, late)]
    return documents


def _order(key: Key) -> tuple[date, int, str]:
    return (key.month, key.agency_id, key.meter or "")
