"""Ten ways in which admins were seen to show one tenant to another, each by its name.

The crawlers beside this module walk everywhere; here each way is tried as such, as the
owner of HOMEZZ, by what rows of others and rows that do not exist answer.
"""

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from core.admin.scoped import ScopedFilter
from core.tables import csv_pieces
from seats.models import Agent, Invitation, Seat, User
from tests.crawl import MISSING, Crawl, base_of, registry, rows_of
from tests.downline import FOREIGN_TO_HOME, HOME, SIBLING
from tests.members import ADD, SEATS, choice
from tests.staff import confirm, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
# What belongs to the platform, or is nobody's to look at.
HELPERS = [
    "admin/logentry", "auth/group", "auth/permission", "contenttypes/contenttype",
    "sessions/session", "seats/user", "billing/mail", "billing/outboxevent",
    "billing/billingrun", "billing/processorevent", "billing/recurringjob",
    "billing/verificationfinding", "mfa/authenticator", "account/emailaddress",
]  # fmt: skip


@pytest.fixture
def owner(people):
    return people[0].client


@pytest.fixture
def hidden(agencies, people):
    """A row of an agency out of reach, for each page of the site."""
    return {
        model: rows_of(agencies, FOREIGN_TO_HOME, model)[0] for model, _ in registry()
    }


class TestLeaks:
    def test_1_pages_offers_and_actions_by_a_key_of_others(self, people, hidden):
        """Change, delete, history, choices, bulk actions and look-ups in the address."""
        crawl = Crawl(people[0])
        for model, row in hidden.items():
            for kind in ("change", "delete", "history"):
                answers = {
                    crawl.get(f"{base_of(model)}{key}/{kind}/")
                    for key in (row.pk, MISSING)
                }
                assert len(answers) == 1, (model, kind)
                assert answers.pop()[0] == 404
            lookup = crawl.person.client.get(f"{base_of(model)}?agency__name={row.pk}")
            assert lookup.status_code in {302, 400}
        for name in ("agency", "agent"):
            offer = f"/agency/autocomplete/?app_label=seats&model_name=seat&field_name={name}"
            assert crawl.get(f"{offer}&term=")[0] == 200
        assert crawl.leaks == []

    def test_2_foreign_keys_that_forms_offer_and_take(self, agencies, people, owner):
        page = owner.get(ADD).content.decode().lower()
        assert not [code for code in FOREIGN_TO_HOME if code.lower() in page]
        seat = Seat.objects.filter(agency=agencies[HOME]).latest("pk")
        other = Agent.objects.filter(agency=agencies[SIBLING]).latest("pk")
        before = snapshot()

        confirm(owner, ADD, {
            "agency": agencies[SIBLING].pk, "agents": "x, X", "on": "", "reason": "",
        })  # fmt: skip
        confirm(owner, SEATS, choice(
            "transfer", seat, on="2026-05-01", **{f"agent_{seat.pk}": other.pk}
        ))  # fmt: skip

        assert snapshot() == before

    def test_3_filters_that_list_the_names_of_others(self, agencies, owner):
        offered = set()
        for model, _ in registry():
            answer = owner.get(base_of(model))
            for item in answer.context["cl"].filter_specs:
                if isinstance(item, ScopedFilter):
                    offered |= {key for key, _ in item.lookup_choices}

        assert offered == {agencies[code].pk for code in (HOME, "BELOWZZ")}

    def test_4_fields_for_raw_keys_that_print_the_row_behind_a_key(
        self, agencies, owner
    ):
        assert not [page for _, page in registry() if page.raw_id_fields]
        texts = []
        for key in (agencies[SIBLING].pk, MISSING):
            answer = owner.post(
                "/agency/seats/invitation/add/",
                {"agency": key, "email": "a@example.com", "role": "admin", "agent": ""},
            )
            text = answer.content.decode()
            assert "siblingzz" not in text.lower()
            texts.append((answer.status_code, str(answer.context["errors"])))
        assert texts[0] == texts[1]

    def test_5_view_on_site_of_any_row_by_its_kind(self, owner, hidden):
        for model, row in hidden.items():
            kind = ContentType.objects.get_for_model(model).pk
            answers = [
                owner.get(f"/agency/r/{kind}/{key}/") for key in (row.pk, MISSING)
            ]
            assert [answer.status_code for answer in answers] == [404, 404], model
            assert answers[0].content == answers[1].content

    def test_6_histories_of_rows_of_others(self, people, owner, hidden):
        """They are not there, though somebody of the own agency stands in them."""
        user = User.objects.get(email="owner@homezz.example.com")
        for model, row in hidden.items():
            LogEntry.objects.log_actions(user.pk, [row], CHANGE, "seen in a history")
            answer = owner.get(f"{base_of(model)}{row.pk}/history/")
            assert answer.status_code == 404, model
            assert b"seen in a history" not in answer.content

    def test_7_imports_that_show_and_overwrite_rows_of_others(self, owner, hidden):
        assert not [app for app in settings.INSTALLED_APPS if "import_export" in app]
        before = snapshot()
        for model, row in hidden.items():
            for path in ("import", "process_import", "nothing"):
                address = f"{base_of(model)}{path}/"
                answer = owner.post(address, {"id": row.pk, "name": "x"}, follow=True)
                assert answer.status_code == 404, address
        assert snapshot() == before

    def test_8_cells_of_exports_that_a_spreadsheet_runs(self):
        """Every CSV file is written by `core.tables`, which no cell gets around."""
        row = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3|x", "plain"]

        text = "".join(csv_pieces(["a", "b", "c", "d", "e"], [row]))

        *marked, plain = text.splitlines()[1].split(",")
        assert all(cell.lstrip('"').startswith("'") for cell in marked)
        assert plain == "plain"

    def test_9_forms_that_make_a_member_more_than_that(self, agencies, owner):
        pages = {model for model, _ in registry()}
        assert pages.isdisjoint({User, Group, Permission})
        for role in ("superuser", "staff", "OWNER"):
            owner.post("/agency/seats/invitation/add/", {
                "agency": agencies[HOME].pk, "email": "x@example.com", "agent": "",
                "role": role, "is_superuser": "on", "is_staff": "on",
            })  # fmt: skip
        user = User.objects.get(email="owner@homezz.example.com")
        owner.post(f"/agency/seats/user/{user.pk}/change/", {"is_superuser": "on"})
        user.refresh_from_db()

        assert not Invitation.objects.filter(email="x@example.com").exists()
        assert not user.is_superuser
        assert not user.is_staff

    def test_10_helper_tables_and_columns_that_tell_by_a_filter(self, owner):
        """They have no page, and a hidden column is no filter of a list."""
        for name in HELPERS:
            for path in ("", "1/change/", "add/", "?q=a"):
                assert owner.get(f"/agency/{name}/{path}").status_code == 404, name
        for path in (
            "seats/apikey/?digest__startswith", "billing/webhookendpoint/?sealed_secret",
            "seats/invitation/?digest__gte", "seats/member/?user__password__startswith",
        ):  # fmt: skip
            answers = [owner.get(f"/agency/{path}={letter}") for letter in "ap"]
            assert {answer.status_code for answer in answers} <= {302, 400}, path
            assert answers[0].content == answers[1].content
