"""The admin as platform staff sees it, and as nobody else does."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.contrib import admin
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from billing.accounts.models import PayerShareSet
from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.models.runs import RunItem
from billing.pricing.models import PriceList
from billing.webhooks.models import OutboxEvent
from seats.models import Agency, Member, Seat, User
from tests.build import (
    APRIL,
    MARCH,
    MARCH_1,
    bill,
    call,
    documents_of,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.staff import confirm

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture
def staff(client):
    user = User.objects.create_superuser("staff@example.com", PASSWORD)
    client.force_login(user)
    return client


def make_books(agencies=1):
    make_prices()
    for n in range(agencies):
        agency = make_agency(f"A{n}")
        make_seats(agency, "ana", "ben")
        use(call(f"A{n}", id=f"a{n}"), call(f"A{n}", agent="ana", id=f"b{n}"))
        use(call(f"A{n}", id=f"a{n}", quantity=Decimal(1)))
        set_payer_shares(
            agency=agency,
            shares={agency: Decimal(100)},
            starts_on=MARCH,
            actor="test",
            now=MARCH_1,
        )
    bill(MARCH)


class TestPages:
    def test_is_where_the_bare_address_leads(self, staff):
        assert staff.get("/").headers["location"] == "/admin/"

    def test_every_list_opens(self, staff):
        make_books()

        for model in admin.site._registry:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            assert staff.get(reverse(name)).status_code == 200, name

    def test_every_row_opens(self, staff):
        make_books()

        for model in admin.site._registry:
            row = model._default_manager.order_by("pk").first()
            if row is None:
                continue
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            assert staff.get(reverse(name, args=[row.pk])).status_code == 200, name

    @pytest.mark.parametrize(
        "page",
        ["seats_agency", "seats_agent", "seats_seat", "seats_member",
         "billing_document", "billing_billingrun", "billing_runitem",
         "billing_usageday", "billing_outboxevent", "billing_billingaccount"],
    )  # fmt: skip
    def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
        self, staff, page, django_assert_max_num_queries
    ):
        make_books(agencies=8)

        with django_assert_max_num_queries(14):
            assert staff.get(reverse(f"admin:{page}_changelist")).status_code == 200


class TestDownloads:
    def links(self, page):
        return sorted(re.findall(r'href="([^"]+/calls\.\w+)"', page.content.decode()))

    def test_stand_at_each_line_of_usage(self, staff):
        make_books()
        (invoice,) = documents_of(Agency.objects.get())
        page = staff.get(reverse("admin:billing_document_change", args=[invoice.pk]))

        table, parquet = (staff.get(url) for url in self.links(page))

        content = b"".join(table.streaming_content).decode().splitlines()
        assert content[0].startswith("start,answer,end,agent,")
        assert [line.split(",")[-2] for line in content[1:]] == ["a0", "b0"]
        assert b"".join(parquet.streaming_content)[:4] == b"PAR1"

    def test_are_not_for_others_and_not_of_seats(self, staff, client):
        make_books()
        seats, usage = DocumentLine.objects.order_by("position")
        name = "admin:billing_document_calls"

        assert staff.get(reverse(name, args=[seats.pk, "csv"])).status_code == 404
        assert staff.get(reverse(name, args=[usage.pk, "xml"])).status_code == 404
        client.force_login(
            User.objects.create_user("little@example.com", PASSWORD, is_staff=True)
        )
        assert client.get(reverse(name, args=[usage.pk, "csv"])).status_code == 403


class TestLogin:
    @pytest.mark.parametrize("role", Member.Role.values)
    def test_no_member_of_an_agency_gets_in(self, client, role):
        agency = make_agency()
        (ana,) = make_agents(agency, "ana")
        user = User.objects.create_user("member@example.com", PASSWORD)
        agent = ana if role == "agent" else None
        Member.objects.create(
            user=user, agency=agency, role=role, agent=agent, created_at=MARCH_1
        )

        answer = client.post(
            reverse("account_login"),
            {"login": "member@example.com", "password": PASSWORD, "next": "/admin/"},
        )

        assert answer.status_code == 302
        assert client.get(reverse("admin:index"), follow=True).status_code == 403

    def test_platform_staff_gets_in_by_e_mail(self, client):
        User.objects.create_superuser("staff@example.com", PASSWORD)

        client.post(
            reverse("account_login"),
            {"login": "Staff@Example.com", "password": PASSWORD},
        )

        assert client.get(reverse("admin:index")).status_code == 200


class TestAgency:
    def test_is_added_by_the_service(self, staff):
        staff.post(
            reverse("admin:seats_agency_add"),
            {
                "code": "NEW",
                "name": "New",
                "currency": "USD",
                "zone": "America/Chicago",
            },
        )

        agency = Agency.objects.get(code="NEW")
        assert agency.cutoff_counter.cutoff == 1
        assert agency.zones.get().zone == "America/Chicago"

    def test_a_refusal_shows_at_its_field(self, staff):
        make_agency("NEW")

        answer = staff.post(
            reverse("admin:seats_agency_add"),
            {"code": "NEW", "name": "New", "currency": "USD", "zone": "UTC"},
        )

        assert answer.status_code == 200
        message = "Agency code &#x27;NEW&#x27; is already taken. Choose another code."
        assert message in answer.content.decode()


class TestPayerShares:
    ADD = reverse_lazy("admin:billing_payershareset_add")

    def add(self, staff, shares, agency="SUNRISE", starts_on="2026-05-01"):
        content = {
            "agency": Agency.objects.get(code=agency).pk, "starts_on": starts_on,
            "shares": shares, "reason": "Sponsored",
        }  # fmt: skip
        return staff.post(self.ADD, content)

    def test_are_recorded_from_a_date_on_by_the_service(self, staff):
        for code in ("TOP", "SUNRISE"):
            make_agency(code)

        assert staff.get(self.ADD).status_code == 200
        answer = self.add(staff, "TOP 62.5\n\n SUNRISE  37.5 \n")

        assert answer.status_code == 302
        recorded = PayerShareSet.objects.get()
        assert (recorded.starts_on, recorded.reason) == (date(2026, 5, 1), "Sponsored")
        assert recorded.actor == "staff@example.com"
        shares = recorded.shares.values_list("payer__code", "percent")
        assert dict(shares) == {"TOP": Decimal("62.5"), "SUNRISE": Decimal("37.5")}
        page = reverse("admin:billing_payershareset_change", args=[recorded.pk])
        assert b"62.5" in staff.get(page).content
        assert staff.post(page, {"starts_on": "2026-06-01"}).status_code == 403

    @pytest.mark.parametrize(
        ("shares", "message"),
        [
            ("TOP 60\nSUNRISE 30", "sum to 100"),
            ("TOP 100\nSUNRISE 0", "above 0"),
            ("TOP 110\nSUNRISE -10", "above 0"),
            ("TOP NaN", "one number"),
            ("TOP 1e40", "above 0"),
            ("TOP sNaN", "one number"),
            ("TOP 1_00", "one number"),
            ("TOP \N{FULLWIDTH DIGIT ONE}00", "one number"),
            ("TOP 33.3333333\nSUNRISE 66.6666667", "6 decimal places"),
            ("TOP 50\nTOP 50", "TOP is listed twice. Enter one line for each payer."),
            ("TOP", "one number"),
            ("TOP 50 50", "one number"),
            ("TOP half", "one number"),
            (
                "NOBODY 100",
                "There is no agency with the code &#x27;NOBODY&#x27;. Check the code.",
            ),
            ("EURO 100", "pays in EUR"),
            ("", "required"),
        ],
    )
    def test_say_what_is_wrong_and_record_nothing(self, staff, shares, message):
        for code in ("TOP", "SUNRISE"):
            make_agency(code)
        make_agency("EURO", currency="EUR")

        answer = self.add(staff, shares)

        assert answer.status_code == 200
        assert message in answer.content.decode()
        assert not PayerShareSet.objects.exists()
        assert not OutboxEvent.objects.filter(type="payer_shares.changed").exists()

    def test_of_a_closed_month_are_refused_at_the_date(self, staff):
        make_books()

        answer = self.add(staff, "A0 100", agency="A0", starts_on="2026-03-31")

        assert (
            "A0 is closed through 2026-03, and the shares would start on 2026-03-31."
            in answer.content.decode()
        )
        assert PayerShareSet.objects.count() == 1


class TestActions:
    def act(self, staff, page, action, row, **content):
        return confirm(
            staff,
            reverse(f"admin:{page}_changelist"),
            {"action": action, "_selected_action": [row.pk], **content},
        )

    def test_a_seat_is_cancelled_with_a_reason(self, staff):
        (seat,) = make_seats(make_agency(), "ana")

        self.act(staff, "seats_seat", "cancel", seat, apply="x", reason="Typo")

        assert Seat.objects.get().cancelled
        assert seat.versions.get(number=2).actor == "staff@example.com"

    def test_a_seat_is_removed_on_a_date(self, staff):
        (seat,) = make_seats(make_agency(), "ana")
        on = {"on": "2026-03-09"}

        self.act(staff, "seats_seat", "remove", seat, apply="x", reason="Left", **on)

        assert Seat.objects.get().removed_on == date(2026, 3, 9)

    def test_a_refused_removal_says_why_and_changes_nothing(self, staff):
        (seat,) = make_seats(make_agency(), "ana")
        on = {"on": "2026-02-09"}

        answer = self.act(
            staff, "seats_seat", "remove", seat, apply="x", reason="Left", **on
        )

        assert b"begins after 2026-02-09. Choose 2026-03-0" in answer.content
        assert Seat.objects.get().removed_on is None

    def test_seats_are_handed_over_transferred_and_re_opened(self, staff):
        agency, other = make_agency(), make_agency("OTHER")
        (seat,) = make_seats(agency, "ana")
        make_agents(agency, "ben")
        make_agents(other, "ben")
        on = {"on": "2026-03-09"}
        content = {"apply": "x", "reason": "Moved", **on}

        self.act(
            staff, "seats_seat", "hand_over", seat, agents="SUNRISE ben", **content
        )
        assert Seat.objects.get().agent.external_id == "ben"
        self.act(staff, "seats_seat", "transfer", seat, agents="OTHER ben", **content)
        assert Seat.objects.get(agency=other).added_on == date(2026, 3, 9)
        moved = Seat.objects.get(agency=agency)
        assert moved.removed_on == date(2026, 3, 9)
        Seat.objects.get(agency=other)
        self.act(staff, "seats_seat", "reopen", seat, apply="x", reason="Back")
        assert Seat.objects.get(agency=agency).removed_on is None

    @pytest.mark.parametrize("agents", ["", "SUNRISE", "SUNRISE zoe", "A b\nC d"])
    def test_an_unknown_agent_is_named_and_nothing_changes(self, staff, agents):
        (seat,) = make_seats(make_agency(), "ana")
        on = {"on": "2026-03-09"}

        answer = self.act(
            staff, "seats_seat", "hand_over", seat, apply="x", reason="x",
            agents=agents, **on,
        )  # fmt: skip

        assert answer.context["form"].errors
        assert Seat.objects.get().version == 1

    def test_an_agency_gets_another_upline_and_zone(self, staff):
        top, agency = make_agency("TOP"), make_agency()
        on = {"on": "2026-03-09"}
        this_year = timezone.now().year
        starts = {"starts_on": f"{this_year + 1}-02-01"}

        self.act(staff, "seats_agency", "move", agency, apply="x", upline=top.pk, **on)
        self.act(staff, "seats_agency", "change_zone", agency, apply="x",
                 zone="America/Chicago", **starts)  # fmt: skip
        cycle = self.act(
            staff, "seats_agency", "move", top, apply="x", upline=agency.pk, **on
        )

        assert agency.uplines.get().upline == top
        assert list(agency.zones.values_list("zone", flat=True)) == [
            "America/New_York", "America/Chicago",
        ]  # fmt: skip
        assert b"would be its own upline. Choose an agency outside" in cycle.content

    def test_a_document_is_voided_with_a_reason(self, staff):
        make_books()
        (invoice,) = documents_of(Agency.objects.get())

        self.act(staff, "billing_document", "void", invoice, apply="x", reason="Wrong")

        assert Document.objects.get().state == "void"

    def test_a_draft_list_is_published_and_then_fixed(self, staff):
        draft = PriceList.objects.create(
            code="NEXT", currency="USD", starts_on=APRIL, seat_price=Decimal(60)
        )

        self.act(staff, "billing_pricelist", "publish", draft)

        assert PriceList.objects.get().state == "published"
        page = reverse("admin:billing_pricelist_change", args=[draft.pk])
        assert staff.post(page, {"seat_price": "1"}).status_code == 403

    def test_a_parked_payer_is_released(self, staff):
        agency = make_agency()
        make_seats(agency, "ana")
        bill(MARCH)
        item = RunItem.objects.get()
        assert (item.state, item.code) == ("parked", "price_missing")
        make_prices()

        self.act(staff, "billing_runitem", "release", item)
        bill(MARCH, payer=agency, now=timezone.now())

        assert RunItem.objects.get(pk=item.pk).state == "released"
        assert Document.objects.get().total == Decimal("100.00") / 2
