"""Members download the roster at `/agency/roster-file/`, change it, and upload it again."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from core.tables import csv_pieces
from seats.models import Agency, Agent, Seat, SeatVersion
from seats.roster.domain.roster_files import MOST_BYTES, read_roster
from seats.roster.services.roster_files import roster_plan, roster_rows
from seats.roster.services.seats import hand_over_seats, remove_seats
from tests.billing.invoicing.worlds import World, seat_facts
from tests.build import (
    MARCH_1,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.downline import BELOW, HOME, SIBLING
from tests.laws import examples
from tests.members import agent_of, member, messages_of, seat_of
from tests.rollback import rolled_back
from tests.staff import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NOON = datetime(2026, 3, 17, 16, tzinfo=UTC)  # 17 March in New York
PAGE = "/agency/roster-file/"
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30
)
FIELD = re.compile(r'name="(content|seen)" value="([^"]*)"')


@pytest.fixture(autouse=True)
def march(request):
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def agency(settings):
    """SUNRISE with a seat of ana and of ben since 1 March, and no seat of cleo."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    make_agents(agency, "cleo")
    return agency


def preview(client: Client, agency: Agency, text: str | bytes, **how: Any) -> Any:
    content = text if isinstance(text, bytes) else text.encode()
    file = SimpleUploadedFile("roster.csv", content)
    form = {"agency": agency.pk, "on": "2026-03-17", "reason": "", "file": file, **how}
    return client.post(PAGE, form)


def confirmed(page: Any, agency: Agency, **how: Any) -> dict[str, Any]:
    """What the page sends when it is confirmed."""
    hidden = dict(FIELD.findall(page.content.decode()))
    return {
        "agency": agency.pk, "on": "2026-03-17", "reason": "", "apply": "Confirm",
        **hidden, **how,
    }  # fmt: skip


def upload(client: Client, agency: Agency, text: str | bytes, **how: Any) -> Any:
    page = preview(client, agency, text, **how)
    return client.post(PAGE, confirmed(page, agency, **how), follow=True)


def download(client: Client, agency: Agency) -> bytes:
    answer = client.get(f"{PAGE}?csv=roster&agency={agency.pk}")
    assert answer.status_code == 200
    return bytes(answer.content)


def rows_in(page: Any) -> list[tuple[int | None, str, str]]:
    rows = page.context["preview"].plan.verdicts
    return [(row.row, row.agent, str(row.verdict)) for row in rows]


class TestUploading:
    def test_says_what_happens_to_each_row_and_what_it_costs_first(self, agency):
        owner = member(agency, "owner")
        text = f"seat,agent,name\n{seat_of('ana').public_id},cleo,Cleo\n,dan,Dan\n"
        before = snapshot()

        page = preview(owner, agency, text, remove_missing="on")

        assert rows_in(page) == [
            (2, "cleo", "seat handed over"),
            (3, "dan", "new agent with a seat"),
            (None, "ben", "seat removed"),
        ]
        effects = page.context["preview"].effects
        assert effects == ["Your invoices of this month and the next stay the same."]
        assert snapshot() == before

    def test_is_carried_out_as_a_whole_and_priced_as_the_bill_is(self, agency):
        owner = member(agency, "owner")
        text = (
            "agent,name,email,removed_on\nana,Ana,,2026-03-20\nben,Ben,,\n"
            "dan,Dan,dan@example.com,\n"
        )

        page = preview(owner, agency, text)
        done = upload(owner, agency, text)

        (line, *_) = page.context["preview"].effects
        assert "Invoice of SUNRISE for March 2026: +" in line
        (message,) = messages_of(done)
        assert message == (
            "The roster of Sunrise Agency is as in the file: 1 seat removed, 1 unchanged,"
            " 1 new agent with a seat."
        )
        assert seat_of("ana").removed_on == date(2026, 3, 20)
        assert seat_of("dan").added_on == date(2026, 3, 17)
        assert agent_of("dan").email == "dan@example.com"
        version = SeatVersion.objects.get(seat=seat_of("dan"))
        assert (version.actor, version.reason) == (
            "owner@sunrise.example.com", "Roster file",
        )  # fmt: skip

    def test_sent_twice_is_done_once(self, agency):
        owner = member(agency, "owner")
        content = confirmed(preview(owner, agency, "agent,name\ndan,Dan\n"), agency)

        owner.post(PAGE, content)
        before = snapshot()
        again = owner.post(PAGE, content)

        assert "Nothing has changed yet" in again.content.decode()
        assert "There is nothing to confirm" in again.content.decode()
        assert snapshot() == before
        assert Seat.objects.filter(agent__external_id="dan").count() == 1

    def test_is_shown_again_if_the_roster_changed_since(self, agency):
        owner = member(agency, "owner")
        text = f"seat,agent,name\n{seat_of('ana').public_id},dan,Dan\n"
        content = confirmed(preview(owner, agency, text), agency)
        moves = [(seat_of("ana"), agent_of("cleo"))]
        hand_over_seats(moves=moves, on=date(2026, 3, 17), actor="test", now=NOON)

        page = owner.post(PAGE, content)
        shown = page.content.decode()
        done = owner.post(PAGE, confirmed(page, agency), follow=True)

        assert "the roster is not what it was when you looked" in shown
        assert "from Cleo, as of 2026-03-17" in shown
        assert messages_of(done)
        assert seat_of("dan").version == 3

    def test_with_another_choice_than_was_looked_at_is_shown_again(self, agency):
        owner = member(agency, "owner")
        content = confirmed(preview(owner, agency, "agent\nana\n"), agency)

        page = owner.post(PAGE, {**content, "remove_missing": "on"})

        assert rows_in(page)[-1] == (None, "ben", "seat removed")
        assert seat_of("ben").removed_on is None

    def test_with_a_wrong_row_changes_nothing_and_says_where(self, agency):
        owner = member(agency, "owner")
        before = snapshot()

        page = preview(
            owner, agency, "agent,name,email,npn\ndan,Dan,nowhere,\nana,Ana,,12x\n"
        )
        done = owner.post(PAGE, confirmed(page, agency))

        errors = [
            (e.row, e.column, e.code) for e in page.context["preview"].plan.errors
        ]
        assert errors == [(2, "email", "bad_email"), (3, "npn", "bad_npn")]
        assert 'value="Confirm"' not in page.content.decode()
        assert "2 rows are wrong, so nothing was changed." in done.content.decode()
        assert snapshot() == before

    def test_keeps_what_was_entered_where_something_is_wrong(self, agency):
        owner = member(agency, "owner")

        page = preview(owner, agency, "agent\nana\n", on="soon", reason="A note")

        text = page.content.decode()
        assert "Enter a valid date" in text
        assert "A note" in text
        assert dict(FIELD.findall(text))["content"]

    def test_goes_back_no_further_than_any_change_and_keeps_used_dates(self, agency):
        use(call(agent="ana"))  # on 10 March
        owner = member(agency, "owner")
        before = snapshot()

        used = preview(owner, agency, "agent,removed_on\nana,2026-03-05\nben,\n")
        old = preview(owner, agency, "agent,name,added_on\ndan,Dan,2025-01-01\n")

        assert "was used on 2026-03-10" in used.content.decode()
        assert "days back" in old.content.decode()
        assert snapshot() == before

    def test_takes_a_number_of_queries_that_rows_do_not_change(self, agency):
        owner = member(agency, "owner")
        counts = []
        for first, rows in ((0, 3), (100, 60)):
            names = range(first, first + rows)
            text = "agent,name,email\n" + "".join(f"a{n},A {n},\n" for n in names)
            page = preview(owner, agency, text)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                owner.post(PAGE, confirmed(page, agency))
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert Seat.objects.filter(agency=agency).count() == 65

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"\0", b"PK\x03\x04" + b"\0" * 99, b"agent\n" + b'"' * 5_001,
            b"=cmd()\n", b"agent\n" + b"a\n" * 2_001, b"x" * (MOST_BYTES + 1),
            b"agent,name\n" + b"z" * 300 + b",Z\n", b"agent,name\n\xe2\x80\xae,Z\n",
            b"agent,name\nx,<script>alert(1)</script>\n", b"," * 9_999,
            b"agent,added_on,name\nx,9999-12-31,X\n", b"agent,added_on,name\nx,0001-01-01,X\n",
        ],
    )  # fmt: skip
    def test_of_anything_is_no_error_of_ours_and_changes_nothing(self, agency, content):
        owner = member(agency, "owner")
        before = snapshot()

        page = preview(owner, agency, content)
        again = owner.post(
            PAGE,
            {
                "agency": agency.pk,
                "on": "2026-03-17",
                "content": content.decode("latin-1"),
            },
        )

        assert (page.status_code, again.status_code) == (200, 200)
        assert "<script>alert" not in page.content.decode()
        assert snapshot() == before


class TestDownloading:
    def test_and_uploading_changes_nothing(self, agency):
        rows = Agent.objects.filter(agency=agency)
        rows.filter(external_id="ana").update(
            name='=HYPERLINK("x")', email="+ana@example.com", npn="0123"
        )
        rows.filter(external_id="ben").update(external_id="-ben", name="'quoted; =x")
        owner = member(agency, "owner")

        text = download(owner, agency)
        page = preview(owner, agency, text, remove_missing="on")

        assert b"'=HYPERLINK" in text
        assert {row[2] for row in rows_in(page)} == {"unchanged"}
        assert "There is nothing to confirm" in page.content.decode()

    def test_has_no_money(self, agency):
        text = download(member(agency, "supervisor"), agency).decode("utf-8-sig")

        assert text.splitlines()[0] == "seat,agent,name,email,npn,added_on,removed_on"
        assert "50" not in re.sub(r"[0-9a-f-]{36}", "", text)

    @given(
        st.lists(seat_facts, min_size=3, max_size=15),
        st.lists(NAMES, min_size=8, max_size=8),
    )
    @examples(15)
    def test_and_uploading_changes_nothing_whatever_happened(
        self, beginning: World, steps: list[tuple[Any, ...]], names: list[str]
    ) -> None:
        """Whatever the history of the seats, and however agents are called."""
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            for agent, name in zip(Agent.objects.order_by("pk"), names, strict=False):
                Agent.objects.filter(pk=agent.pk).update(name=name, email=name[:20])
            for agency in Agency.objects.all():
                header, *rows = roster_rows(agency, now=NOON)
                text = "".join(csv_pieces([str(name) for name in header], rows))
                plan = roster_plan(
                    agency=agency,
                    file=read_roster(text.encode()),
                    on=NOON.date(),
                    remove_missing=True,
                    now=NOON,
                )
                assert plan.changes == []
                assert len(plan.verdicts) == len(rows)


class TestReach:
    def test_is_of_roles_that_may_change_seats(self, agencies, people):
        """Viewers and supervisors download; agents see no roster."""
        expected = {"owner": 200, "admin": 200, "billing_viewer": 404,
                    "supervisor": 404, "agent": 404}  # fmt: skip
        for person in people[:5]:
            before = snapshot()
            answer = preview(person.client, agencies[HOME], "agent,name\nx,X\n")
            seen = person.client.get(PAGE)

            assert answer.status_code == expected[person.role], person
            assert seen.status_code == (404 if person.role == "agent" else 200)
            assert ('name="file"' in seen.content.decode()) == (
                answer.status_code == 200
            )
            assert snapshot() == before

    def test_is_of_agencies_within_reach(self, agencies, people):
        owner, supervisor = people[0].client, people[3].client
        before = snapshot()
        for code in (SIBLING, "missing"):
            key = agencies[code].pk if code in agencies else 987_654_321
            answer = owner.get(f"{PAGE}?csv=roster&agency={key}")
            posted = owner.post(PAGE, {
                "agency": key, "on": "2026-03-17",
                "file": SimpleUploadedFile("r.csv", b"agent,name\nx,X\n"),
            })  # fmt: skip
            assert answer.status_code == 404
            assert "Select a valid choice" in posted.content.decode()
        below = supervisor.get(PAGE, {"csv": "roster", "agency": agencies[BELOW].pk})

        assert below.status_code == 404
        assert b"belowzz-1" in download(owner, agencies[BELOW])
        assert snapshot() == before

    def test_does_not_tell_seats_of_others_from_none(self, agencies, people):
        other = Seat.objects.filter(agency=agencies[SIBLING]).earliest("pk")
        texts = []
        for key in (other.public_id, "00000000-0000-7000-8000-000000000000"):
            page = preview(
                people[0].client, agencies[HOME], f"seat,agent\n{key},homezz-1\n"
            )
            (error,) = page.context["preview"].plan.errors
            texts.append(error.message.replace(str(key), ""))
        assert texts[0] == texts[1]


def test_a_seat_removed_meanwhile_is_no_seat_of_the_roster(agency):
    owner = member(agency, "owner")
    text = download(owner, agency)
    remove_seats(seats=[seat_of("ana")], on=date(2026, 3, 10), actor="t", now=MARCH_1)

    page = preview(owner, agency, text)

    (error,) = page.context["preview"].plan.errors
    assert (error.column, error.code) == ("seat", "unknown_seat")
