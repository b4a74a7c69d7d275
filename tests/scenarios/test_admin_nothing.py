"""Confirm is offered where something can happen, and only there."""

from typing import Any

import pytest

from billing.invoicing.models.documents import Document
from billing.pricing.models import PriceList
from billing.receivables.models import Payment
from seats.models import Seat
from tests.rollback import rolled_back
from tests.scenarios.test_admin_actions import ACTIONS, inputs
from tests.staff import confirmation, log_in, make_staff, page_of, snapshot

pytestmark = pytest.mark.django_db
MOST = 4  # rows of an action that are tried, the oldest of each kind
LOG = "django_admin_log"
OFFERED = 'value="Confirm"'
NOTHING = "There is nothing to confirm"
# What tells kinds of rows apart.
TELLING = "state", "cancelled", "removed_on", "revoked_at", "deleted_at"


def kinds_of(model: Any) -> list[Any]:
    """One row of each kind that an action might tell apart."""
    names = [field.name for field in model._meta.concrete_fields]
    seen: dict[tuple[Any, ...], Any] = {}
    for row in model._default_manager.order_by("pk")[:40]:
        kind = [getattr(row, name) for name in TELLING if name in names]
        seen.setdefault(tuple(map(str, kind)), row)
    return list(seen.values())[:MOST]


@pytest.mark.parametrize("part", range(2))
def test_nothing_changes_where_nothing_is_offered(everything, part):
    staff = log_in(make_staff())
    offered = refused = 0
    for label, (model_admin, name) in list(ACTIONS.items())[part::2]:
        model = model_admin.model
        url = page_of(model, "changelist")
        for row in kinds_of(model):
            content = {"action": name, "_selected_action": [row.pk], **inputs(label)}
            page = staff.post(url, content).content.decode()
            assert (OFFERED in page) != (NOTHING in page), (label, row)
            if OFFERED in page:
                offered += 1
                continue
            refused += 1
            before = snapshot(without=LOG)
            with rolled_back():
                staff.post(url, confirmation(staff, url, content))
                # Not even a forged confirmation does something; who tried is on record.
                assert snapshot(without=LOG) == before, (label, row)
    assert offered > 10
    assert refused > 3


def offers(staff: Any, model: Any, action: str, *rows: Any) -> bool:
    content = {"action": action, "_selected_action": [row.pk for row in rows]}
    page = staff.post(page_of(model, "changelist"), content).content.decode()
    assert (OFFERED in page) != (NOTHING in page)
    return OFFERED in page


class TestOffers:
    def test_follow_the_rows_that_are_chosen(self, staff, everything):
        draft = Document.objects.filter(state="draft")[0]
        issued = Document.objects.exclude(state="draft")[0]

        assert not offers(staff, Document, "issue", issued)
        assert offers(staff, Document, "issue", issued, draft)
        assert not offers(staff, Document, "void", draft)

    def test_of_what_is_done_to_all_or_none_need_all(self, staff, everything):
        gone = Seat.objects.filter(removed_on__isnull=False, cancelled=False)[0]
        held = Seat.objects.filter(removed_on=None, cancelled=False)[0]

        assert offers(staff, Seat, "reopen", gone)
        assert not offers(staff, Seat, "reopen", gone, held)

    def test_of_what_is_done_to_one_need_one(self, staff, everything):
        payments = list(Payment.objects.all()[:2])

        assert not offers(staff, Payment, "refund", *payments)

    def test_of_a_list_need_that_it_can_be_published(self, staff, everything):
        published = PriceList.objects.filter(state="published")[0]

        assert not offers(staff, PriceList, "publish", published)
        assert offers(staff, PriceList, "publish", PriceList.objects.get(code="NEXT"))
