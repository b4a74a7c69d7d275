"""The words of an agency's dial plan: through files, the API and both admin sites."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.test import Client
from django.urls import reverse

from billing.metering.models import UsageDay
from billing.metering.models.dial_plans import DialPlan
from billing.metering.services.dial_plans import set_dial_plan
from seats.api_keys.services import create_key
from seats.models import Member, User
from tests.build import MARCH_1, make_agency, make_agents, make_prices
from tests.scenarios.feed_files import NOW, Folder, cdr
from tests.scenarios.test_switch_files import A, B, fs_row
from tests.staff import confirm, log_in

PATH = "/api/v1/dial-plan"
# Between two carriers nothing but the context tells the direction.
CARRIERS = {"channel": "SIP/sbc-a-0000001a", "other": "SIP/sbc-b-0000001b"}
ADD = "/agency/billing/dialplan/add/"
OUTSIDE, DID = "15125550100", "15125559000"


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency(zone="America/New_York")
    make_agents(agency, "301")
    return agency


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def words(agency, *, inbound=(), outbound=()):
    return set_dial_plan(
        agency=agency, inbound_words=inbound, outbound_words=outbound, actor="test",
        now=NOW,
    )  # fmt: skip


def by_meter():
    rows = UsageDay.objects.values_list("meter__code").annotate(Sum("raw"))
    return {meter: int(raw) for meter, raw in rows if raw}


class TestFiles:
    @pytest.mark.parametrize(
        ("context", "inbound", "outbound", "meter"),
        [
            ("kundenanruf", [], [], "voice.out"),  # a usual name is not in it
            ("kundenanruf", ["KUNDE"], [], "voice.in"),
            ("from-trunk-7", [], [], "voice.in"),
            ("from-trunk-7", [], ["trunk-7"], "voice.out"),  # before the usual names
            ("kunde-raus", ["kunde"], ["kunde-raus"], "voice.out"),  # the longer word
            ("kunde-raus", ["kunde-raus"], ["kunde"], "voice.in"),
        ],
    )
    def test_of_asterisk_are_read_by_them(
        self, sunrise, folder, context, inbound, outbound, meter
    ):
        words(sunrise, inbound=inbound, outbound=outbound)

        assert folder.take(cdr(61, context=context, **CARRIERS)).startswith("0 ")

        assert by_meter() == {meter: 61}

    @pytest.mark.parametrize(
        ("inbound", "meter"), [([], "voice.out"), (["vorne"], "voice.in")]
    )
    def test_of_freeswitch_are_read_by_them(self, sunrise, folder, inbound, meter):
        words(sunrise, inbound=inbound)
        row = fs_row(A, "", caller=OUTSIDE, called=DID, context="haupt-vorne")

        assert folder.take(row, format="freeswitch").startswith("0 ")

        assert by_meter() == {meter: 60}

    def test_say_more_about_their_ends(self, sunrise, folder):
        """The words are one hint among others: an extension that dials out dials out."""
        words(sunrise, inbound=["kunde"])

        folder.take(cdr(61, context="kundenanruf"))

        assert by_meter() == {"voice.out": 61}

    def test_of_another_agency_are_read_by_its_own(self, sunrise, folder):
        words(make_agency("OTHER"), inbound=["kunde"])

        folder.take(cdr(61, context="kundenanruf", **CARRIERS))

        assert by_meter() == {"voice.out": 61}

    def test_that_were_counted_stay_as_they_were(self, sunrise, folder):
        row = cdr(61, context="kundenanruf", **CARRIERS)
        folder.take(row)
        words(sunrise, inbound=["kunde"])

        assert folder.take(row).startswith("0 file: 0 accepted, 1 duplicate")
        assert by_meter() == {"voice.out": 61}

    def test_are_compared_by_them(self, sunrise, folder):
        words(sunrise, inbound=["vorne"])
        row = fs_row(A, "", caller=OUTSIDE, called=DID, context="vorne")
        other = fs_row(B, "", caller=OUTSIDE, called=DID, context="vorne")
        folder.take(row + other, format="freeswitch")
        out = StringIO()

        call_command(
            "reconcile", str(folder.path / "file"), "--agency=SUNRISE",
            "--format=freeswitch", "--month=2026-11", stdout=out,
        )  # fmt: skip

        assert "other_meter" not in out.getvalue()


class TestTheDatabase:
    @pytest.mark.parametrize(
        ("inbound", "outbound"),
        [(["kunde"], ["kunde"]), ([str(n) for n in range(51)], [])],
    )
    def test_refuses_words_that_make_no_sense(self, sunrise, inbound, outbound):
        with pytest.raises(IntegrityError), transaction.atomic():
            DialPlan.objects.create(
                agency=sunrise, inbound_words=inbound, outbound_words=outbound,
                changed_by="x", changed_at=NOW,
            )  # fmt: skip


@pytest.fixture
def api(sunrise):
    return client_of(sunrise)


def client_of(agency):
    _, token = create_key(
        agency=agency, scopes=["usage:read", "usage:write"], actor="test", now=MARCH_1
    )
    return Client(headers={"authorization": f"Bearer {token}"})


def put(client, **body):
    return client.put(PATH, json.dumps(body), "application/json")


class TestTheApi:
    def test_reads_and_replaces_the_words(self, sunrise, api):
        nothing = {"agency": "SUNRISE", "inbound_words": [], "outbound_words": []}
        assert api.get(PATH).json() == nothing

        answer = put(api, inbound_words=["Kunde", "kunde"], outbound_words=["raus"])

        assert answer.status_code == 200
        assert answer.json() == {
            "agency": "SUNRISE", "inbound_words": ["kunde"], "outbound_words": ["raus"],
        }  # fmt: skip
        assert api.get(PATH, {"agency": "SUNRISE"}).json() == answer.json()
        assert put(api, inbound_words=[], outbound_words=[]).json() == nothing

    @pytest.mark.parametrize(
        ("inbound", "outbound", "field"),
        [
            (["a"], [], "inbound_words"), ([], ["x" * 41], "outbound_words"),
            (["two words"], [], "inbound_words"), (["a,b"], [], "inbound_words"),
            (["a\nb"], [], "inbound_words"), (["NUL"], ["nul"], "outbound_words"),
            ([f"w{n}" for n in range(51)], [], "inbound_words"),
        ],
    )  # fmt: skip
    def test_refuses_words_that_make_no_sense(self, api, inbound, outbound, field):
        answer = put(api, inbound_words=inbound, outbound_words=outbound)

        assert (answer.status_code, answer.json()["code"]) == (422, "bad_context_word")
        assert answer.json()["field"] == field
        assert not DialPlan.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [{}, {"inbound_words": "kunde", "outbound_words": []},
         {"inbound_words": [1.5, None], "outbound_words": []},
         {"inbound_words": ["\0"], "outbound_words": []},
         {"inbound_words": [], "outbound_words": [], "more": 1}],
    )  # fmt: skip
    def test_refuses_other_bodies(self, api, body):
        assert put(api, **body).status_code in (400, 422)
        assert not DialPlan.objects.exists()

    def test_knows_agencies_within_reach_only(self, sunrise, api):
        make_agency("BELOW", upline=sunrise)
        make_agency("OTHER")
        some = {"inbound_words": ["kunde"], "outbound_words": []}

        assert put(api, agency="BELOW", **some).status_code == 200
        for answer in (
            put(api, agency="OTHER", **some),
            api.get(PATH, {"agency": "OTHER"}),
            put(api, agency="NOBODY", **some),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert [plan.agency.code for plan in DialPlan.objects.all()] == ["BELOW"]


class TestStaff:
    def test_set_the_words_of_an_agency(self, sunrise, staff):
        add = reverse("admin:billing_dialplan_add")
        entered = {"inbound_words": "Kunde,vorne", "outbound_words": "raus"}

        answer = staff.post(add, {"agency": sunrise.pk, **entered})
        assert answer.status_code == 302
        change = reverse("admin:billing_dialplan_change", args=[sunrise.pk])
        staff.post(change, {**entered, "outbound_words": "hinaus"})

        plan = DialPlan.objects.get()
        assert (plan.inbound_words, plan.outbound_words) == (
            ["kunde", "vorne"], ["hinaus"],
        )  # fmt: skip
        page = staff.get(reverse("admin:billing_dialplan_changelist"))
        assert "kunde, vorne" in page.content.decode()

    def test_see_why_words_are_refused(self, sunrise, staff):
        entered = {"inbound_words": "kunde", "outbound_words": "KUNDE"}

        page = staff.post(
            reverse("admin:billing_dialplan_add"), {"agency": sunrise.pk, **entered}
        )

        assert "is a word of both directions" in page.content.decode()
        assert not DialPlan.objects.exists()


class TestMembers:
    @staticmethod
    def member(agency, role="admin"):
        user = User.objects.create_user(f"{role}@example.com", "x" * 12)
        Member.objects.create(user=user, agency=agency, role=role, created_at=MARCH_1)
        return log_in(user)

    def test_who_may_set_the_words_of_their_agency(self, sunrise):
        entered = {"agency": sunrise.pk, "inbound_words": "kunde,vorne"}

        page = confirm(self.member(sunrise), ADD, entered)

        assert "the words were set" in page.content.decode()
        assert DialPlan.objects.get().inbound_words == ["kunde", "vorne"]

    @pytest.mark.parametrize("role", ["supervisor", "billing_viewer"])
    def test_who_may_only_look_do_not(self, sunrise, role):
        client = self.member(sunrise, role)
        words(sunrise, inbound=["kunde"])

        assert client.get(ADD).status_code == 404
        assert "kunde" in client.get("/agency/billing/dialplan/").content.decode()

    def test_do_not_set_those_of_others(self, sunrise):
        other = make_agency("OTHER")

        confirm(self.member(sunrise), ADD, {"agency": other.pk, "inbound_words": "aa"})

        assert not DialPlan.objects.exists()
