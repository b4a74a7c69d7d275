"""The pure arithmetic of allocations."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.receivables.domain.allocation import (
    AllocatedAmount,
    Source,
    Target,
    allocate_sources,
    deallocate,
)

amounts = st.decimals(0, 500, places=2)
kinds = st.sampled_from(["payment", "credit_note"])


class TestAllocateSources:
    @given(
        st.lists(st.tuples(kinds, amounts)), st.lists(st.tuples(amounts, st.booleans()))
    )
    def test_gives_all_there_is_to_all_that_is_owed_and_no_more(self, given, owed):
        sources = [Source(kind, n, free) for n, (kind, free) in enumerate(given)]
        targets = [Target(n, left, off) for n, (left, off) in enumerate(owed)]

        moves = allocate_sources(sources, targets)

        assert all(move.amount > 0 for move in moves)
        for source in sources:
            used = sum(m.amount for m in moves if m.source == source)
            open_to_it = [
                t for t in targets if source.kind == "credit_note" or not t.written_off
            ]
            full = all(
                sum(m.amount for m in moves if m.document_id == t.id) == t.owed
                for t in open_to_it
            )
            assert used == source.free or (used < source.free and full)
        for target in targets:
            got = sum(m.amount for m in moves if m.document_id == target.id)
            assert got <= target.owed

    def test_keeps_the_order_of_both(self):
        sources = [Source("payment", 1, Decimal(3)), Source("payment", 2, Decimal(3))]
        targets = [Target(1, Decimal(4)), Target(2, Decimal(4))]

        moves = allocate_sources(sources, targets)

        amounts = [(m.source.id, m.document_id, int(m.amount)) for m in moves]
        assert amounts == [(1, 1, 3), (2, 1, 1), (2, 2, 2)]


class TestTakeBack:
    @given(amounts, st.lists(amounts))
    def test_takes_the_first_until_there_is_enough(self, amount, covered):
        coverings = [AllocatedAmount(n, n, part) for n, part in enumerate(covered)]

        taken = deallocate(amount, coverings)

        assert sum(t.amount for t in taken) == min(amount, sum(covered))
        whole = {t.payment_id for t in taken[:-1]}
        assert all(
            t.amount == covered[t.payment_id] for t in taken if t.payment_id in whole
        )
