"""Attackers at both sites: nothing of an agency out of reach comes out anywhere.

Every text of an agency contains its marker (see tests/downline.py), and whatever answers
for a row out of reach must answer the same for a row that does not exist.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import ForeignKey, Model
from django.test import Client
from django.urls import URLPattern, URLResolver

from billing.metering.models import UsageDay
from billing.webhooks.models import WebhookEndpoint
from config.admin.agency import agency_site
from seats.models import Agency, Agent, Seat, User
from tests.downline import BELOW, HOME, UPLINES, Person, make_downline, make_people
from tests.staff import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
MISSING = 987_654_321  # no row has this key
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
LINK = re.compile(r'href="(\?[^"]*)"')
# What the site consists of. A new kind of page has to be crawled here.
SITE_PAGES = {"index", "login", "logout", "password_change", "password_change_done",
              "autocomplete", "jsi18n", "app_list", "search"}  # fmt: skip
MODEL_PAGES = {"changelist", "add", "history", "delete", "change"}


@pytest.fixture
def agencies(settings):
    return make_downline(settings)


@pytest.fixture
def people(agencies):
    people = make_people(agencies)
    for person in people:  # who is not logged in finds nothing, however it leaks
        assert person.client.get("/agency/").status_code == 200
    return people


class Crawl:
    """Requests of one person, with what came out that should not have."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.leaks: list[tuple[str, object]] = []

    def get(self, path: str) -> tuple[int, str]:
        """The status and the text of a page, as far as it is the same each time."""
        answer = self.person.client.get(path)
        text = TOKEN.sub("", answer.content.decode())
        self.look(path, text + str(answer.headers.get("location", "")))
        return answer.status_code, text

    def look(self, path: str, text: str) -> None:
        lower = text.lower()
        said = {mark for code in self.person.foreign if (mark := code.lower()) in lower}
        # What somebody typed into the address may be shown again, and nothing else.
        said = {mark for mark in said if mark not in path.lower()}
        if said or "staffzz" in lower:
            self.leaks.append((path, said))

    def compare(self, path: str, value: object, nonsense: object) -> None:
        """A value that exists out of reach answers as one that exists nowhere."""
        (status, text), (other, same) = (
            self.get(path.format(value)), self.get(path.format(nonsense)),
        )  # fmt: skip
        same = same.replace(str(nonsense), str(value))
        if status != other or _plain(text, value) != _plain(same, value):
            self.leaks.append((path.format(value), (status, other)))


def _plain(text: str, value: object) -> str:
    """The text without what was typed, which may stand in it escaped."""
    return re.sub(re.escape(str(value)), "", text)


def registry() -> Iterable[tuple[type[Model], Any]]:
    return agency_site._registry.items()


def base_of(model: type[Model], site: str = "agency") -> str:
    return f"/{site}/{model._meta.app_label}/{model._meta.model_name}/"


def rows_of(
    agencies: dict[str, Agency], codes: set[str], model: type[Model]
) -> list[Any]:
    """Rows of these agencies, one of each."""
    path = agency_site._registry[model].agency_path
    ids = [agencies[code].pk for code in codes]
    column = path if path == "pk" else f"{path}_id"
    rows = model._default_manager.filter(**{f"{path}__in": ids})
    return list(rows.order_by(column, "pk").distinct(column))


def names(patterns: Iterable[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def test_the_site_has_no_page_that_is_not_crawled():
    pages = {
        f"{model._meta.app_label}_{model._meta.model_name}_{kind}"
        for model, _ in registry()
        for kind in MODEL_PAGES
    }

    assert set(names(agency_site.get_urls())) == pages | SITE_PAGES
    assert not [page for _, page in registry() if page.list_editable]


class TestPagesOfOthers:
    """A stranger, a sibling, the agency below looking up, the one above, each role."""

    def test_answer_as_if_they_were_not_there(self, agencies, people):
        for person in people:
            crawl = Crawl(person)
            for model, _ in registry():
                hidden = rows_of(agencies, person.foreign, model)
                for kind, rows in {
                    "change": hidden, "history": hidden[:1], "delete": hidden[-1:]
                }.items():  # fmt: skip
                    path = f"{base_of(model)}{{}}/{kind}/"
                    absent = crawl.get(path.format(MISSING))
                    assert absent[0] == 404, (person, path)
                    for row in rows:
                        if crawl.get(path.format(row.pk)) != absent:
                            crawl.leaks.append((path.format(row.pk), "differs"))
                crawl.get(f"{base_of(model)}add/")
            for path in ("", "seats/", "billing/", "nothing/", "jsi18n/", "search/?s=zz",
                         "password_change/", "r/7/1/", "auth/user/1/change/",
                         "seats/member/", "billing/mail/"):  # fmt: skip
                crawl.get(f"/agency/{path}")
            assert crawl.leaks == [], person.name

    def test_are_not_on_lists_searches_orders_and_links_of_the_page(self, people):
        for person in (people[0], people[3], people[4], people[5]):
            crawl = Crawl(person)
            for model, page in registry():
                status, text = crawl.get(base_of(model))
                if status != 200:
                    continue
                for link in sorted(set(LINK.findall(text)))[:8]:
                    followed, _ = crawl.get(base_of(model) + link.replace("&amp;", "&"))
                    assert followed == 200, link
                count = len(page.list_display)
                orders = [f"?o={n}" for n in range(1, count + 2)]
                for query in [*orders[:: max(count // 2, 1)], "?q=zz", "?_facets=True",
                              "?all=", "?p=2", "?_popup=1", "?_to_field=id"]:  # fmt: skip
                    crawl.get(base_of(model) + query)
            assert crawl.leaks == [], person.name

    def test_are_not_counted(self, agencies, people):
        """The numbers of a list are those of the rows within reach."""
        for person in (people[0], people[3]):
            for model, page in registry():
                answer = person.client.get(f"{base_of(model)}?_facets=True")
                if answer.status_code != 200:
                    continue
                change_list = answer.context["cl"]
                path = page.agency_path
                ids = [agencies[code].pk for code in person.reaches]
                if page.view.value.startswith(("view API", "view members")):
                    ids = [agencies[HOME].pk]
                rows = model._default_manager.filter(**{f"{path}__in": ids})

                assert change_list.result_count == rows.count(), (person, model)
                assert change_list.full_result_count in (None, rows.count())


class TestGuesses:
    """Addresses that an attacker makes up."""

    def test_of_a_hidden_value_answer_as_guesses_of_nonsense(self, agencies, people):
        """Filters by any column, of the row or of a related one, right or wrong."""
        below = next(p for p in people if p.name.endswith("belowzz"))
        crawl = Crawl(below)
        for model, _ in registry():
            (hidden, *_) = rows_of(agencies, {HOME}, model)
            for field in model._meta.concrete_fields:
                value = field.value_from_object(hidden)
                if value is None:
                    continue
                nonsense = MISSING if isinstance(value, int) else "nonsense"
                for kind in ("", "__gte"):
                    query = f"?{field.name}{kind}={{}}"
                    crawl.compare(base_of(model) + query, value, nonsense)
                if isinstance(field, ForeignKey):
                    query = f"?{field.name}__id__exact={{}}"
                    crawl.compare(base_of(model) + query, value, nonsense)
        assert crawl.leaks == []

    @pytest.mark.parametrize(
        "query",
        ["agency__name__startswith", "agency__uplines__upline__code", "agency__code",
         "agency__members__user__password__startswith", "agent__name__contains",
         "payer__name__regex", "payer__documents__total__gt", "budget__amount__gt",
         "transferred_from__agency__code", "owner__name", "sealed_secret__startswith",
         "digest__gte", "document__total__gte", "event__id", "parties__payer__code"],
    )  # fmt: skip
    def test_along_relations_and_into_columns_are_refused(self, people, query):
        """Always the same, whether the guess is right or wrong."""
        owner = people[0].client
        for model, _ in registry():
            answers = {
                (answer := owner.get(f"{base_of(model)}?{query}={value}")).status_code
                for value in ("zz", "TOPZZ")
            }
            assert answers <= {302, 400}, (model, query)
            assert len(answers) == 1, (model, query)
            assert answer.content == b"" or b"zz" not in answer.content.lower()

    def test_of_search_terms_find_nothing(self, agencies, people):
        below = next(p for p in people if p.name.endswith("belowzz"))
        crawl = Crawl(below)
        for model, _ in registry():
            terms = ("homezz", "homezz-00001", str(MISSING))
            texts = []
            for term in terms:
                status, text = crawl.get(f"{base_of(model)}?q={term}")
                texts.append((status, text.replace(term, "")))
            assert len(set(texts)) == 1, model
        assert crawl.leaks == []

    def test_of_autocompletes_offer_what_is_within_reach(self, agencies, people):
        """From every foreign key of every model, not only of those with pages."""
        sources = [
            (model, field)
            for model in apps.get_models()
            for field in model._meta.get_fields()
            if isinstance(field, ForeignKey)
        ]
        for person in (people[0], people[3], people[5]):
            crawl = Crawl(person)
            for model, field in sources:
                crawl.get(
                    f"/agency/autocomplete/?app_label={model._meta.app_label}"
                    f"&model_name={model._meta.model_name}&field_name={field.name}&term="
                )
            assert crawl.leaks == [], person.name
        answer = people[0].client.get(
            "/agency/autocomplete/?app_label=seats&model_name=seat&field_name=agency&term="
        )
        offered = {row["id"] for row in json.loads(answer.content)["results"]}
        assert offered == {str(agencies[code].pk) for code in (HOME, BELOW)}


class TestForms:
    """What is posted with keys of rows out of reach."""

    def test_of_actions_do_what_they_do_for_keys_of_nothing(self, agencies, people):
        for person in (people[0], people[5], people[7]):
            crawl = Crawl(person)
            for model, page in registry():
                actions = [str(name) for name in page.actions or []] + [
                    "delete_selected"
                ]
                for row in rows_of(agencies, person.foreign, model)[:1]:
                    for action in actions:
                        said = [
                            _posted(crawl, base_of(model), action, key)
                            for key in (row.pk, MISSING)
                        ]
                        assert said[0] == said[1], (person, model, action)
            assert crawl.leaks == [], person.name

    def test_change_nothing_by_post(self, agencies, people):
        """Views of rows that are read-only take no forms, whoever sends them."""
        owner = people[0].client
        for model, _ in registry():
            for row in rows_of(agencies, {HOME, "TOPZZ"}, model):
                answer = owner.post(f"{base_of(model)}{row.pk}/change/", {"name": "x"})
                assert answer.status_code == 404, model
                answer = owner.post(
                    f"{base_of(model)}{row.pk}/delete/", {"post": "yes"}
                )
                assert answer.status_code == 404, model


def _posted(crawl: Crawl, path: str, action: str, key: object) -> object:
    content = {"action": action, "_selected_action": [key], "index": "0"}
    answer = crawl.person.client.post(path, content, follow=True)
    crawl.look(path, answer.content.decode())
    told = [str(message) for message in (answer.context or {}).get("messages", [])]
    return answer.status_code, answer.redirect_chain, told


class TestHistory:
    def test_of_a_row_names_nobody_of_the_platform_or_above(self, agencies, people):
        """Members below see what their own people did, and nothing else."""
        agency = agencies[BELOW]
        for email in ("owner@belowzz.example.com", "owner@topzz.example.com"):
            user = User.objects.get(email=email)
            LogEntry.objects.log_actions(user.pk, [agency], CHANGE, f"done by {email}")
        page = f"/agency/seats/agency/{agency.pk}/history/"
        below = next(p for p in people if p.name.endswith("belowzz"))

        text = below.client.get(page).content.decode()

        assert "done by owner@belowzz" in text
        assert "topzz" not in text
        assert "staffzz" not in text


class TestColumns:
    """Rows within reach that refer to rows above them."""

    def test_name_no_upline_that_set_something_up(self, agencies, people):
        below = next(p for p in people if p.name.endswith("belowzz"))
        budget = below.client.get("/agency/billing/budget/").content.decode()
        WebhookEndpoint.objects.filter(agency=agencies[BELOW]).update(
            owner=agencies[HOME]
        )
        hooks = below.client.get("/agency/billing/webhookendpoint/").content.decode()

        assert "100.00" in budget
        assert "homezz" not in budget.lower()
        assert "belowzz.example.com/hooks" not in hooks

    def test_name_no_other_agent_to_an_agent(self, people):
        agent = people[4].client
        seat = Seat.objects.get(agent__external_id="homezz-2")
        page = agent.get(f"/agency/seats/seat/{seat.pk}/change/").content.decode()
        other = Seat.objects.get(agent__external_id="homezz-1")

        assert "homezz-2" in page
        assert "homezz-0" not in page
        assert agent.get(f"/agency/seats/seat/{other.pk}/change/").status_code == 404
        assert set(_agents_of(agent, UsageDay)) <= {"homezz-2"}
        assert set(_agents_of(agent, Agent)) == {"homezz-2"}

    def test_have_no_amount_of_money_for_a_supervisor(self, people):
        supervisor = people[3].client
        for model, _ in registry():
            answer = supervisor.get(base_of(model))
            if answer.status_code == 200:
                text = answer.content.decode()
                assert not re.search(r"\$\s?\d|\d\.\d\d\b|USD \d", text), model
                for row in answer.context["cl"].result_list:
                    page = supervisor.get(f"{base_of(model)}{row.pk}/change/")
                    assert not re.search(r"\$\s?\d|\bUSD\s\d", page.content.decode())

    def test_have_no_secret(self, people):
        (endpoint, *_) = WebhookEndpoint.objects.filter(agency__code=HOME)
        owner = people[0].client
        for path in ("billing/webhookendpoint", "seats/apikey"):
            text = owner.get(f"/agency/{path}/").content.decode()
            assert endpoint.sealed_secret not in text
        page = f"/agency/billing/webhookendpoint/{endpoint.pk}/change/"
        text = owner.get(page).content.decode()
        assert "homezz.example.com/hooks" in text
        assert endpoint.sealed_secret not in text


def _agents_of(client: Client, model: type[Model]) -> Iterator[str]:
    for row in client.get(base_of(model)).context["cl"].result_list:
        yield row.external_id if isinstance(row, Agent) else row.agent.external_id


class TestStaffSite:
    def test_shows_members_the_log_in_page_for_every_address(self, agencies, people):
        """The same for rows that exist and rows that do not."""
        for person in (people[0], people[5]):
            crawl = Crawl(person)
            for model in admin.site._registry:
                base = base_of(model, "admin")
                key = model._default_manager.values_list("pk", flat=True).first()
                for path in ("", "{}/change/", "?q=zz"):
                    status, _ = crawl.get(base + path.format(key or 1))
                    assert status == 302, (person.name, base + path)
            status, _ = crawl.get(
                "/admin/autocomplete/?app_label=seats&model_name=seat&field_name=agency"
            )
            assert status == 302
            assert crawl.leaks == [], person.name

    def test_does_not_show_who_logged_in_there_to_members(self, agencies):
        """The pages of both sites say `no-store`, and log-in names nobody."""
        assert len(UPLINES) == len(agencies)
        boss = log_in(User.objects.create_superuser("boss@example.com", "a b c"))

        answer = boss.get("/admin/seats/agency/")

        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.status_code == 200
