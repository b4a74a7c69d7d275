"""Forms at `/agency/` that somebody forged: nothing changes, and nothing comes out."""

from datetime import UTC, datetime

import pytest
import time_machine

from seats.models import Agent, Member, Seat
from tests.build import MARCH_1
from tests.downline import BELOW, HOME, SIBLING
from tests.members import ADD, AGENTS, SEATS, choice, messages_of
from tests.staff import confirm, confirmation, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
NOON = datetime(2026, 3, 17, 16, tzinfo=UTC)


@pytest.fixture(autouse=True)
def march():
    with time_machine.travel(NOON, tick=False):
        yield


class TestForgedForms:
    """What a person may not do, or not there, changes nothing at all."""

    def test_of_who_may_not_change_nothing(self, agencies, people):
        """The form of an owner, sent by each of the others."""
        owner = people[0].client
        seat = Seat.objects.filter(agency=agencies[HOME]).latest("pk")
        free = Agent.objects.create(
            agency=agencies[HOME], external_id="free", name="Free", created_at=MARCH_1
        )
        may = {
            "owner": {"remove", "hand_over", "cancel", "add_a_seat", "add"},
            "admin": {"remove", "hand_over", "cancel", "add_a_seat", "add"},
            "supervisor": {"hand_over", "add"},
        }
        forms = {
            "remove": (SEATS, choice("remove", seat, on="2026-03-21")),
            "hand_over": (
                SEATS,
                choice(
                    "hand_over", seat, on="2026-03-21", **{f"agent_{seat.pk}": free.pk}
                ),
            ),
            "cancel": (SEATS, choice("cancel", seat, reason="x")),
            "add_a_seat": (AGENTS, choice("add_a_seat", free, on="2026-03-17")),
            "add": (
                ADD,
                {"agency": agencies[HOME].pk, "agents": "x, X", "on": "", "reason": ""},
            ),
        }
        for name, (path, content) in forms.items():
            stolen = confirmation(owner, path, content)
            for person in people[1:8]:
                role = person.role if HOME in person.reaches else "stranger"
                if name in may.get(role, ()):
                    continue
                before = snapshot()
                page = person.client.get(path).content.decode()
                person.client.post(path, content)
                person.client.post(path, stolen)
                confirm(person.client, path, content)
                assert snapshot() == before, (person, name)
                if HOME in person.reaches:
                    assert f'value="{name}"' not in page, (person, name)

    def test_with_keys_out_of_reach_answer_as_with_keys_of_nothing(
        self, agencies, people
    ):
        admin = people[1].client
        seat = Seat.objects.filter(agency=agencies[HOME]).latest("pk")
        agent = Agent.objects.filter(agency=agencies[SIBLING]).latest("pk")
        for action in ("hand_over", "transfer"):
            texts = []
            for key in (agent.pk, 987_654_321):
                content = choice(
                    action, seat, on="2026-03-21", **{f"agent_{seat.pk}": key}
                )
                before = snapshot()
                answer = confirm(admin, SEATS, content)
                assert snapshot() == before
                texts.append((answer.status_code, str(answer.context["form"].errors)))
            assert texts[0] == texts[1]
            assert "siblingzz" not in texts[0][1]

    def test_with_an_agency_out_of_reach_add_nothing(self, agencies, people):
        admin = people[1].client
        answers = []
        for key in (agencies[SIBLING].pk, 987_654_321, "x"):
            content = {"agency": key, "agents": "x, X", "on": "", "reason": ""}
            before = snapshot()
            answer = confirm(admin, ADD, content)
            assert snapshot() == before
            answers.append((answer.status_code, messages_of(answer)))
        assert len(set(map(str, answers))) == 1

    def test_of_the_staff_site_are_not_there(self, agencies, people):
        owner = people[0].client
        for path, model in ((SEATS, Seat), (AGENTS, Agent)):
            row = model.objects.filter(agency=agencies[HOME]).latest("pk")
            for action in ("delete_selected", "redate", "void", "end", "add_agents"):
                before = snapshot()
                confirm(owner, path, choice(action, row))
                assert snapshot() == before, action


class TestChoices:
    def test_are_the_rows_that_the_role_may_do_it_with(self, agencies, people):
        home, below = agencies[HOME].pk, agencies[BELOW].pk
        viewer = Member.objects.get(role="supervisor")
        Member.objects.create(
            user=viewer.user, agency=agencies[SIBLING], role="billing_viewer",
            created_at=MARCH_1,
        )  # fmt: skip
        hand_over, seats = "hand seats over", "add, remove and transfer seats"
        cases = [
            (1, hand_over, {"agency": home}, {HOME}),
            (1, hand_over, {"agency": agencies[SIBLING].pk}, set()),
            (1, seats, {"not_agency": home}, {BELOW}),
            (1, seats, {"not_agency": below}, {HOME}),
            (1, "nothing", {}, set()),
            (2, hand_over, {}, set()),
            (3, hand_over, {}, {HOME}),  # and not SIBLINGZZ, which may be looked at
            (3, seats, {}, set()),
            (4, hand_over, {}, set()),
        ]
        for number, action, among, codes in cases:
            query = {
                "app_label": "seats", "model_name": "seat", "field_name": "agent",
                "term": "", "for": action, **among,
            }  # fmt: skip
            answer = people[number].client.get("/agency/autocomplete/", query)
            labels = {row["text"] for row in answer.json()["results"]}
            offered = {label.rpartition(", ")[2] for label in labels}
            assert offered == codes, (people[number], action, among)
