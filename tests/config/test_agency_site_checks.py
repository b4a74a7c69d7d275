"""What `manage.py check` says of pages for agencies that do not say whose rows they show."""

from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from billing.mail.models import Mail
from config.admin.agency import agency_site
from core.admin.actions import ReasonForm
from core.admin.member_actions import member_action
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline
from core.admin.scoped import ScopedAdmin, ScopedFilter, ScopedInline
from seats.access.domain import Action
from seats.models import Agency, AgencyZone, Member


class Page(ScopedAdmin):
    """A page that says everything: the ones below leave something out."""

    agency_path = "agency"
    agent_path = "agent"
    view = Action.VIEW_MEMBERS
    fields = ["role"]
    menu = ("Team", "Agencies")
    list_filter = ["role", ("agency", ScopedFilter)]


class Zones(ScopedInline):
    model = AgencyZone
    agency_path = "agency"
    view = Action.VIEW_AGENCIES
    fields = ["zone"]


class ZonesOfAll(ReadOnlyInline):
    model = AgencyZone
    fields = ["zone"]


class Unscoped(ReadOnlyAdmin):
    fields = ["subject"]


def check_with(monkeypatch: Any, model: type, page: type, **changes: Any) -> str:
    """What the command says with this page on the site; empty if it is content."""
    changed = type("Changed", (page,), changes)
    registry = {**agency_site._registry, model: changed(model, agency_site)}
    monkeypatch.setattr(agency_site, "_registry", registry)
    try:
        call_command("check", stdout=StringIO())
    except SystemCheckError as error:
        return str(error)
    return ""


def test_a_page_that_says_whose_rows_it_shows_is_accepted(monkeypatch):
    assert check_with(monkeypatch, Member, Page) == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"agency_path": ""}, "does not name `agency_path`"),
        ({"agency_path": "user"}, "names 'user' as `agency_path`"),
        ({"agency_path": "user__memberships__agency"}, "which does not lead there"),
        ({"agency_path": "agency__name"}, "names 'agency__name'"),
        ({"agent_path": "agency"}, "names 'agency' as `agent_path`"),
        ({"owner_path": "agent"}, "names 'agent' as `owner_path`"),
        ({"view": "look around"}, "does not name the action `view`"),
        ({"fields": None}, "names no `fields`"),
        ({"menu": ("Team", "Nobody")}, "has no place in the navigation"),
        ({"inlines": [ZonesOfAll]}, "is an inline without a reach"),
    ],
)
def test_a_page_that_does_not_is_an_error(monkeypatch, changes, says):
    answer = check_with(monkeypatch, Member, Page, **changes)

    assert "(config.E013)" in answer
    assert says in answer


def test_an_inline_that_does_not_is_an_error(monkeypatch):
    inline = type("Lost", (Zones,), {"agency_path": "pk"})
    page = {
        "agency_path": "pk",
        "agent_path": "",
        "fields": ["name"],
        "list_filter": [],
    }

    answer = check_with(monkeypatch, Agency, Page, **page, inlines=[inline])

    assert "names 'pk' as `agency_path`" in answer
    assert check_with(monkeypatch, Agency, Page, **page, inlines=[Zones]) == ""


@pytest.mark.parametrize(
    "item",
    ["agency", "user__email", ("user", admin.RelatedOnlyFieldListFilter)],
)
def test_a_filter_that_may_name_rows_out_of_reach_is_an_error(monkeypatch, item):
    answer = check_with(monkeypatch, Member, Page, list_filter=[item])

    assert "(config.E014)" in answer


def test_a_page_of_another_base_class_is_an_error(monkeypatch):
    answer = check_with(monkeypatch, Mail, Unscoped)

    assert "is a page for agencies without a reach" in answer


def test_an_action_that_asks_for_no_action_of_the_table_is_an_error(monkeypatch):
    def do(self: Any, request: Any, rows: Any, data: Any) -> None: ...

    asking = {
        permission: member_action(
            "Do", permission=permission, effects=lambda request, rows, data: [],
            undo="", done="", form=lambda page, request, rows: ReasonForm,
        )(do)
        for permission in ("seats.remove_seat", Action.CHANGE_MEMBERS)
    }  # fmt: skip

    answers = [
        check_with(monkeypatch, Member, Page, actions=["do"], do=action)
        for action in asking.values()
    ]

    assert "(config.E016)" in answers[0]
    assert answers[1] == ""
