"""The table of docs/access.md: what it says is what people can do."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seats.access.domain import ROLES, Action, Extent, Membership
from seats.access.queries import reach_of
from seats.agencies.services import set_upline
from seats.models import Agency, Member
from tests.build import MARCH_1
from tests.crawl import registry
from tests.downline import BELOW, HOME, SIBLING, make_downline, make_people
from tests.staff import log_in

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).resolve().parents[2] / "docs" / "access.md"
NOTHING = "-"


def read_table() -> dict[str, dict[str, str]]:
    """The cells of the table, by action and role."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("|")
    ]
    head, _, *body = rows
    roles = [name.replace(" ", "_") for name in head[1:]]
    return {row[0]: dict(zip(roles, row[1:], strict=True)) for row in body}


TABLE = read_table()
CELLS = [(action, role) for action, cells in TABLE.items() for role in cells]


def test_it_names_every_action_and_role():
    assert set(TABLE) == {str(action) for action in Action}
    assert {role for _, role in CELLS} == set(Member.Role.values) == set(ROLES)


@pytest.mark.parametrize(("action", "role"), CELLS)
def test_a_cell_is_what_the_role_may_do(action, role):
    extent = ROLES[role].get(Action(action))

    assert TABLE[action][role] == (str(extent) if extent else NOTHING)


def test_the_pages_show_what_the_cells_say(settings):
    """Each page of the site, opened by each role: whose rows stand on it."""
    agencies = make_downline(settings)
    for person in make_people(agencies)[:5]:
        for model, page in registry():
            cell = TABLE[page.view][person.role]
            path = f"/agency/{model._meta.app_label}/{model._meta.model_name}/"
            answer = person.client.get(path)
            rows = answer.context["cl"].result_list if answer.status_code == 200 else []
            shown = {_agency_of(row, page.agency_path).code for row in rows}

            assert answer.status_code == (404 if cell == NOTHING else 200), (
                path,
                person,
            )
            assert shown == _expected(cell), (path, person.name)


def _agency_of(row: Any, path: str) -> Agency:
    """The agency at the end of the path of a page."""
    for step in path.split("__"):
        row = row if step == "pk" else getattr(row, step)
    assert isinstance(row, Agency)
    return row


def _expected(cell: str) -> set[str]:
    return {
        NOTHING: set(),
        Extent.DOWNLINE: {HOME, BELOW},
        Extent.AGENCY: {HOME},
        Extent.ITSELF: {HOME},
    }[cell]


class TestReach:
    def test_follows_the_tree_at_the_next_request(self, settings):
        agencies = make_downline(settings)
        owner = make_people(agencies)[0].client
        path = "/agency/seats/agency/"
        today = MARCH_1.date() + timedelta(days=1)

        before = owner.get(path).content.decode()
        set_upline(
            agency=agencies[SIBLING], upline=agencies[HOME], on=today, actor="test",
            now=MARCH_1,
        )  # fmt: skip
        set_upline(
            agency=agencies[BELOW], upline=None, on=today, actor="test", now=MARCH_1
        )
        after = owner.get(path).content.decode()

        assert (BELOW in before, SIBLING in before) == (True, False)
        assert (BELOW in after, SIBLING in after) == (False, True)

    def test_adds_up_over_memberships_and_ends_with_them(self, settings):
        agencies = make_downline(settings)
        user = make_people(agencies)[3].client  # a supervisor
        member = Member.objects.get(role="supervisor")
        Member.objects.create(
            user=member.user, agency=agencies[SIBLING], role="billing_viewer",
            created_at=MARCH_1,
        )  # fmt: skip

        seats = user.get("/agency/seats/seat/").content.decode()
        money = user.get("/agency/billing/document/").content.decode()

        assert "homezz-1" in seats
        assert "siblingzz-1" in seats
        assert "HOMEZZ-0" not in money
        assert "SIBLINGZZ-0" in money
        Member.objects.filter(user=member.user).delete()
        assert user.get("/agency/seats/seat/").status_code == 302

    def test_of_nobody_is_nothing(self):
        reach = reach_of([], now=MARCH_1)

        assert not any(reach.may(action) for action in Action)

    def test_of_an_agent_is_of_itself_alone(self, settings):
        agency = make_downline(settings)[HOME]
        reach = reach_of([Membership(agency.pk, "agent", 7)], now=MARCH_1)

        assert reach.agencies(Action.VIEW_USAGE) == set()
        assert reach.agents(Action.VIEW_USAGE) == {7}


def test_staff_without_a_membership_do_not_enter(settings, django_user_model):
    staff = django_user_model.objects.create_superuser("boss@example.com", "a b c")
    answer = log_in(staff).get("/agency/seats/seat/")

    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/agency/login/")
