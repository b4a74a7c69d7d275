"""Pages and imports of an upline after the move, and the clock that decides."""

from datetime import date, timedelta
from io import BytesIO

import pytest
import time_machine

from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.checkout_closing import close_out_of_reach_pages
from billing.collection.services.inbound_events import process_events
from billing.metering.domain.formats.rows import buffered
from billing.metering.models import RejectedRow, UsageImport
from billing.metering.services.imports import resume_next_import, upload_file
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment
from seats.agencies.services import set_upline
from seats.models import Upline
from tests.api.conftest import GRANTING, NOW
from tests.api.grants import (
    BACK,
    METHODS,
    clock,
    ended_of,
    move,
    post,
)
from tests.billing.collection.answering import post_signed
from tests.billing.processors.stripe_fake import KEY, SECRET, fake_stripe
from tests.build import (
    APRIL_2,
    MARCH,
    MARCH_1,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)

pytestmark = pytest.mark.django_db


class TestPages:
    @pytest.fixture
    def stripe(self, tree, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        bill(MARCH)
        with fake_stripe(clock) as fake:
            add_processor(
                code="stripe", url=fake.url, kind="stripe", key=KEY,
                endpoint_secret=SECRET, actor="test", now=APRIL_2,
            )  # fmt: skip
            yield fake

    def page_of(self, agency):
        return f"/api/v1/invoices/{documents_of(agency)[0].public_id}/payment-page"

    def test_are_closed_after_the_move(self, tree, upline_client, stripe):
        post(upline_client, self.page_of(tree[2]), **BACK)
        post(upline_client, METHODS, agency="MOVED", **BACK)
        post(upline_client, METHODS, agency="STAYS", **BACK)
        assert close_out_of_reach_pages(clock=clock) == 0
        move(tree)

        stripe.faults = lambda method, path: "busy"
        assert close_out_of_reach_pages(clock=clock) == 0
        stripe.faults = lambda method, path: "ok"
        assert close_out_of_reach_pages(clock=clock) == 2
        assert close_out_of_reach_pages(clock=clock) == 0

        sessions = stripe.account.of("checkout.session")  # newest first
        assert [session["status"] for session in sessions] == [
            "open",
            "expired",
            "expired",
        ]
        assert {kind for kind, _, _ in ended_of(tree[0])} == {"payment_page"}
        assert len(ended_of(tree[0])) == len(ended_of(tree[2])) == 2

    def test_save_no_method_after_the_move(self, tree, upline_client, client, stripe):
        for code in ("MOVED", "STAYS"):
            post(upline_client, METHODS, agency=code, **BACK)
        move(tree)

        for n, session in enumerate(stripe.account.of("checkout.session")):
            stripe.account.use_page(session["id"], f"pm_card_visa_{n}")
        for event in list(stripe.account.events):
            post_signed(client, *stripe.signed(event))
        process_events(now=NOW)

        saved = PaymentMethod.objects.values_list("payer__code", flat=True)
        assert list(saved) == ["STAYS"]

    def test_send_the_agency_to_one_of_its_own(
        self, tree, upline_client, agency_client, stripe
    ):
        first = post(upline_client, self.page_of(tree[2]), **BACK)
        move(tree)

        own = post(
            agency_client, self.page_of(tree[2]), return_url="https://own.example.com/"
        )

        assert own["url"] != first["url"]
        statuses = [
            session["status"] for session in stripe.account.of("checkout.session")
        ]
        assert statuses == ["open", "expired"]  # newest first
        page = CheckoutPage.objects.get(public_id=own["id"])
        assert (page.owner, page.return_url) == (tree[2], "https://own.example.com/")
        assert not Payment.objects.exists()


class TestImports:
    def test_reach_the_downline_of_the_moment(self, tree):
        rows = [
            f"{n},{code},voice.out,60,2026-03-10T12:00:00Z"
            for n, code in enumerate(["MOVED", "STAYS", "NEW", "OLD"])
        ]
        body = "\n".join(["id,agency,meter,quantity,occurred_at", *rows]).encode()
        upload_file(
            buffered(BytesIO(body)), agency=tree[0], file_name="f.csv",
            actor="test", now=NOW,
        )  # fmt: skip
        move(tree)

        resume_next_import(now=NOW)

        record = UsageImport.objects.get()
        assert (record.state, record.accepted, record.rejected) == ("done", 2, 2)
        codes = RejectedRow.objects.values_list("code", flat=True)
        assert set(codes) == {"unknown_agency"}


class TestOneClock:
    """A key and the edges it asks about go by one clock."""

    @pytest.mark.parametrize(
        ("above", "below"),
        [("Pacific/Honolulu", "Pacific/Auckland"),
         ("Pacific/Auckland", "Pacific/Honolulu")],
    )  # fmt: skip
    @pytest.mark.parametrize("hour", [1, 10, 11, 13, 23])
    def test_a_child_added_now_is_reached_now(self, caller, above, below, hour):
        make_prices()
        root = make_agency("ROOT", zone=above)
        client = caller(root, GRANTING)
        with time_machine.travel(NOW.replace(hour=hour), tick=False):
            now = NOW.replace(hour=hour)
            child = make_agency("CHILD", zone=below, upline=root, now=now)
            make_seats(child, "ana", on=MARCH)
            event = {
                "source": "test", "id": "1", "agency": "CHILD", "agent": "ana",
                "meter": "voice.out", "quantity": 60,
                "occurred_at": (now - timedelta(minutes=1)).isoformat(),
            }  # fmt: skip

            assert post(client, "/api/v1/usage-events", **event)["accepted"] == 1
            answer = client.get("/api/v1/authorize?agent=ana&agency=CHILD")
            assert answer.status_code == 200
            assert answer.json()["allowed"]

    def test_a_child_that_leaves_at_its_midnight_is_not_reached_from_then_on(
        self, caller
    ):
        root = make_agency("ROOT", zone="Pacific/Honolulu")
        child = make_agency("CHILD", zone="Pacific/Auckland", upline=root)
        leaves = date(2026, 4, 1)
        set_upline(agency=child, upline=None, on=leaves, now=MARCH_1, actor="test")
        client = caller(root, GRANTING)
        midnight = NOW.replace(hour=11)  # 1 April begins in Auckland

        for at, status in (
            (midnight - timedelta(seconds=1), 200), (midnight, 404),
        ):  # fmt: skip
            with time_machine.travel(at, tick=False):
                answer = client.get("/api/v1/authorize?agent=ana&agency=CHILD")
                assert answer.status_code == status
        assert Upline.objects.count() == 1
