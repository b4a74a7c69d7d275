"""The bills of payers that are not over: so far, at the end of the month, and before."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from billing.invoicing.calculation.next_documents import (
    NextDocuments,
    next_documents,
)
from billing.invoicing.calculation.running_months import (
    MonthPrices,
    RunningMonth,
    running_months,
)
from billing.invoicing.domain.bill_changes import LATE, SEATS, BillItem, total_of
from billing.invoicing.domain.charges import Charge, ChargeKey, SpanFacts
from billing.invoicing.domain.differences import ChargeDifference
from billing.invoicing.queries.affected_months import pairs_of
from billing.invoicing.queries.billed_items import billed_items
from billing.pricing.domain.rating import PriceListTerms
from billing.pricing.queries import price_lists_for
from core.money import round_places
from core.periods import previous_month
from core.postgres.roles import engine_rights
from seats.agencies.queries.agencies import local_dates
from seats.cutoffs.models import CutoffCounter
from seats.models import Agency

PLACES = 6
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class RoundingCost:
    """What raising calls to their minimum and steps costs the payer, of a meter.

    `raw` and `billable` are the agency's, in raw units.
    """

    agency_id: int
    meter: str
    raw: Decimal
    billable: Decimal
    amount: Decimal


@dataclass(slots=True)
class RunningBill:
    """What a payer pays for a month that is not over, in its currency, without tax.

    `before` is the bill of the month before. `so_far` is what its document would contain
    if the month were closed now: seats until the end of the month, usage so far, late
    lines. `expected` is the same at the end of the month. `run_rate` is what the seats
    of today cost in a whole month; `seat_costs` is the payer's part of the price of one
    seat, by agency id. Nothing is computed where `is_priced` is off: a price is missing.
    """

    payer: Agency
    month: date
    is_priced: bool = True
    has_new_prices: bool = False
    before: list[BillItem] = field(default_factory=list)
    so_far: list[BillItem] = field(default_factory=list)
    expected: list[BillItem] = field(default_factory=list)
    rounding: list[RoundingCost] = field(default_factory=list)
    run_rate: Decimal = ZERO
    seat_costs: dict[int, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        return total_of(self.so_far)

    @property
    def expected_total(self) -> Decimal:
        return total_of(self.expected)


@engine_rights()
def running_bills(
    *, payer_ids: Collection[int], month: date, now: datetime
) -> dict[int, RunningBill]:
    """The running bill of each of these payers, by id. Stores nothing.

    The only way in which overviews reach the computation of documents: it reads the
    facts of every agency that the payers pay for, also of those that whoever looks does
    not reach, and gives nothing of them but the payers' own amounts. `month` is the
    current month. A constant number of queries.

    So far: `next_documents` through the month. Expected: seats are as they are now; the
    usage of each agency and meter is `forecast_billable` (its usage so far, plus the
    average of the agency's local dates that are over for each date left; today counts as
    its usage or the average, whichever is more; on the first day the average is last
    month's), priced and split between payers as any charge; late lines as they are now.
    """
    payers = Agency.objects.in_bulk(payer_ids)
    pairs = pairs_of(sorted(payers))
    agency_ids = {pair.agency_id for pair in pairs}
    counters = CutoffCounter.objects.filter(agency__in=agency_ids)
    cutoffs = dict(counters.values_list("agency", "cutoff"))
    currencies = {pk: payer.currency for pk, payer in payers.items()}
    computed = next_documents(pairs, cutoffs, currencies, through=month)
    todays = local_dates(agency_ids, now=now)
    months = running_months(pairs, cutoffs, todays, month=month)
    last = previous_month(month)
    stored = billed_items(payers, first=last, last=last)
    prices = price_lists_for(currencies=set(currencies.values()), months={last, month})
    by_payer: dict[int, list[RunningMonth]] = {}
    for running in months:
        by_payer.setdefault(running.pair.payer_id, []).append(running)
    bills = {}
    for documents in computed:
        payer = payers[documents.payer_id]
        bill = bills[payer.pk] = RunningBill(payer, month)
        terms = prices.get((payer.currency, month))
        if documents.refusal is not None or terms is None:
            bill.is_priced = False
            continue
        both = MonthPrices(terms, prices.get((payer.currency, last)))
        bill.before = [
            *stored.get((payer.pk, last), ()),
            *_items(_lines(documents, last), last, {}),
        ]
        _fill(bill, _lines(documents, month), by_payer.get(payer.pk, []), both)
    return bills


def _lines(documents: NextDocuments, month: date) -> list[ChargeDifference]:
    """The lines of the next document of a month."""
    return [
        line
        for document in documents.documents
        if document.month == month
        for line in document.lines
    ]


def _fill(
    bill: RunningBill,
    lines: Sequence[ChargeDifference],
    months: Sequence[RunningMonth],
    prices: MonthPrices,
) -> None:
    """Add what the month comes to: by the lines so far, and by its facts at its end."""
    payer_id, terms = bill.payer.pk, prices.now
    bill.has_new_prices = prices.are_new
    before = {line.key: line.before for line in lines}
    at_last_prices: dict[ChargeKey, Decimal] = {}
    expected_at_last: dict[ChargeKey, Decimal] = {}
    expected: list[ChargeDifference] = []
    for running in months:
        facts, then = running.facts, running.expected_facts(terms)
        if prices.are_new:
            at_last_prices |= _parts(running.charges_before(facts, prices), payer_id)
            expected_at_last |= _parts(running.charges_before(then, prices), payer_id)
        expected += [
            ChargeDifference(
                charge.key,
                charge,
                before.get(charge.key, ZERO),
                charge.parts[payer_id],
            )
            for charge in running.charges(then, terms)
            if payer_id in charge.parts
        ]
        bill.rounding += _rounding(running, facts, terms)
        bill.run_rate += running.run_rate(terms.seat_price, terms.currency)
        bill.seat_costs[running.pair.agency_id] = running.cost_of_a_seat(
            terms.seat_price, terms.currency
        )
    late = [line for line in lines if line.key.month != bill.month]
    bill.so_far = _items(lines, bill.month, at_last_prices)
    bill.expected = _items([*expected, *late], bill.month, expected_at_last)


def _parts(charges: Sequence[Charge], payer_id: int) -> dict[ChargeKey, Decimal]:
    return {charge.key: charge.parts.get(payer_id, ZERO) for charge in charges}


def _items(
    lines: Sequence[ChargeDifference],
    month: date,
    at_last_prices: Mapping[ChargeKey, Decimal],
) -> list[BillItem]:
    items = []
    for line in lines:
        is_late = line.key.month != month
        quantity = ZERO
        if line.charge and not is_late:
            quantity = round_places(line.charge.quantity, PLACES)
        items.append(
            BillItem(
                line.key.agency_id,
                LATE if is_late else line.key.meter or SEATS,
                quantity,
                line.amount,
                at_last_prices.get(line.key, line.now) - line.before,
            )
        )
    return items


def _rounding(
    running: RunningMonth, facts: Sequence[SpanFacts], terms: PriceListTerms
) -> list[RoundingCost]:
    """Each meter that is raised to steps: its charge less that of its raw sum."""
    if all(use.raw == use.billable for part in facts for use in part.usage.values()):
        return []
    payer_id = running.pair.payer_id
    unrounded = _parts(running.charges(running.unrounded_facts, terms), payer_id)
    return [
        RoundingCost(
            charge.key.agency_id,
            str(charge.key.meter),
            charge.raw,
            charge.billable,
            charge.parts.get(payer_id, ZERO) - unrounded[charge.key],
        )
        for charge in running.charges(facts, terms)
        if charge.key.meter and charge.raw != charge.billable
    ]
