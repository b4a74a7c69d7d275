"""The site for agencies without its first wall: the database still keeps them apart.

The first wall is what pages do: they limit their queries to the reach of who asks. Here
everybody reaches everything, may do everything, and may filter by anything. What comes
out then comes through the second wall alone, row level security.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db.models import ForeignKey, Model
from django.urls import NoReverseMatch, reverse

from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import Document
from billing.receivables.models import Payment
from config.admin import agency as site
from config.admin.agency import agency_site
from config.admin.reach import row_kinds_of
from core.admin.scoped import Scoped, ScopedAdmin
from core.postgres.roles import engine_rights
from seats.access.domain import Reach
from seats.members.queries import reach_of_user
from seats.models import Agency, Agent, AuditEntry, Member, Seat, User
from tests.build import APRIL, MAY_2, bill
from tests.crawl import MISSING, Crawl, base_of, registry, rows_of
from tests.downline import BELOW, HOME, SIBLING, STRANGER, UPLINES
from tests.scenarios.test_agency_crawl import LINK, names

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

# How the marked rows of money are called; none of it is for supervisors and agents.
MONEY = re.compile(r"zz-transfer|zz-refund|zz-0000\d|\b500\.00|\b100\.00")
OTHER_AGENTS = re.compile(r"homezz-[01]\b")


@dataclass(frozen=True, slots=True)
class Everywhere(Reach):
    """Everything at every agency, whatever the person may really do."""

    true: Reach

    def agencies(self, action: str) -> frozenset[int]:
        with engine_rights():
            return frozenset(Agency.objects.values_list("pk", flat=True))

    def agents(self, action: str) -> frozenset[int]:
        with engine_rights():
            return frozenset(Agent.objects.values_list("pk", flat=True))

    def may(self, action: str) -> bool:
        return True


def truly(user: User) -> Reach:
    return reach_of_user(user, now=MAY_2)


@pytest.fixture
def without_first_wall(monkeypatch):
    """No page limits anything. The database is given what the person really reaches."""

    def everywhere(user: User, **_: Any) -> Reach:
        return Everywhere({}, {}, truly(user))

    monkeypatch.setattr(site, "reach_of_user", everywhere)
    monkeypatch.setattr(
        site, "row_kinds_of", lambda user, reach: row_kinds_of(user, reach.true)
    )
    monkeypatch.setattr(Scoped, "rows_for", lambda page, request, rows, action: rows)
    monkeypatch.setattr(
        ScopedAdmin, "lookup_allowed", lambda page, lookup, value, request=None: True
    )
    monkeypatch.setattr(type(agency_site), "log_entries", lambda *args: args[-1])


@pytest.fixture
def without_second_wall(monkeypatch):
    monkeypatch.setattr(site, "member_rights", lambda kinds: nullcontext())


def addresses(agencies: dict[str, Agency]) -> Iterator[str]:
    """Every address of the site; those with keys with the keys of every agency's rows."""
    keys = {
        f"{model._meta.app_label}_{model._meta.model_name}_": [
            key
            for row in rows_of(agencies, set(UPLINES), model)
            for key in (row.pk, getattr(row, "public_id", row.pk))
        ]
        for model, _ in registry()
    }
    others = keys["seats_agency_"] + keys["billing_document_"]
    for name in sorted(set(names(agency_site.get_urls())) - {"logout"}):
        own = [keys[prefix] for prefix in keys if name.startswith(prefix)]
        for args in ([], *([key] for key in (own[0] if own else others))):
            try:
                yield reverse(f"admin:{name}", args=args, current_app="agency")
            except NoReverseMatch:
                continue


def offers() -> Iterator[str]:
    """The addresses that offer choices, from every foreign key of every model."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                yield (
                    f"/agency/autocomplete/?app_label={model._meta.app_label}"
                    f"&model_name={model._meta.model_name}&field_name={field.name}&term="
                )


class Watch(Crawl):
    """A crawl that also sees money, and agents beside the person itself."""

    def look(self, path: str, text: str) -> None:
        super().look(path, text)
        role = self.person.role
        if role in {"supervisor", "agent"} and (money := MONEY.findall(text.lower())):
            self.leaks.append((path, money))
        if role == "agent" and (others := OTHER_AGENTS.findall(text.lower())):
            self.leaks.append((path, others))


def crawl_everything(person: Any, agencies: dict[str, Agency]) -> Watch:
    """Open every address of the site, and what their pages link to and offer."""
    crawl = Watch(person)
    opened: Counter[int] = Counter()
    for address in addresses(agencies):
        status, text = crawl.get(address)
        opened[status] += 1
        for link in sorted(set(LINK.findall(text)))[:6]:
            crawl.get(address.partition("?")[0] + link.replace("&amp;", "&"))
    for model, _ in registry():
        for query in ("?q=zz", "?_facets=True", "?all=", "?o=1.2", "?o=-2"):
            crawl.get(base_of(model) + query)
    for address in offers():
        crawl.get(address)
    assert opened[200] > 15, opened
    return crawl


class TestWithoutTheFirstWall:
    @pytest.fixture(autouse=True)
    def _open(self, people, without_first_wall):
        """The people log in first."""

    @pytest.mark.parametrize("number", [0, 3, 4, 5, 6])
    def test_nothing_of_others_comes_out_of_any_page(self, agencies, people, number):
        """Owner, supervisor, agent, the owner below looking up, the sibling."""
        crawl = crawl_everything(people[number], agencies)

        assert crawl.leaks == [], people[number].name

    def test_everything_would_come_out_without_the_second_one_too(
        self, agencies, people, without_second_wall
    ):
        """The crawler finds each list that the tests above look at."""
        for person in (people[0], people[3], people[4]):
            crawl = Watch(person)
            for model, _ in registry():
                crawl.get(base_of(model))
            leaking = {path for path, _ in crawl.leaks}
            assert leaking == {base_of(model) for model, _ in registry()}, person.name

    def test_lists_count_what_the_person_reaches(self, agencies, people):
        """Not one row more: numbers and sums are those of rows within reach."""
        counts = {}
        for person in (people[0], people[3], people[4]):
            user = User.objects.get(email=f"{person.name}.example.com")
            reach = truly(user)
            for model, page in registry():
                if model is AuditEntry:  # of which members read chosen tables
                    continue
                answer = person.client.get(f"{base_of(model)}?_facets=True")
                listed = answer.context["cl"]
                rows = expected(model, page, reach)
                if model is Member and not reach.may(page.view):
                    rows = 1  # one's own
                counts[person.role, model.__name__] = listed.result_count

                assert listed.result_count == rows, (person, model)
                assert listed.full_result_count in (None, rows), (person, model)
        assert counts["owner", "Payment"] == 2
        assert counts["supervisor", "Payment"] == counts["agent", "Document"] == 0
        assert counts["supervisor", "Seat"] == 2
        assert counts["agent", "Seat"] == 1

    def test_guesses_along_relations_find_nothing(self, people):
        """A filter by what only rows out of reach contain is a filter by nonsense."""
        crawl = Watch(next(p for p in people if p.name.endswith("belowzz")))
        guesses = {
            "agency__uplines__upline__code": "HOMEZZ",
            "agency__code": "HOMEZZ",
            "agency__name__contains": "homezz",
            "agency__members__user__email__contains": "homezz",
            "owner__code": "HOMEZZ",
        }
        compared = 0
        for model, _ in registry():
            for lookup, value in guesses.items():
                address = f"{base_of(model)}?{lookup}={{}}"
                if crawl.person.client.get(address.format("x")).status_code == 200:
                    crawl.compare(address, value, "nonsense")
                    compared += 1
        assert compared > 10
        assert crawl.leaks == []

    def test_guesses_of_secrets_are_no_page(self, people):
        """Their columns are closed, so that no filter tells the first letter of one."""
        owner = people[0].client
        for address in (
            "/agency/seats/member/?user__password__startswith=",
            "/agency/seats/apikey/?digest__startswith=",
            "/agency/seats/invitation/?digest__startswith=",
            "/agency/billing/webhookendpoint/?sealed_secret__startswith=",
        ):
            answers = [owner.get(f"{address}{letter}") for letter in "aq"]
            assert [answer.status_code for answer in answers] == [404, 404], address

    def test_forms_with_keys_of_others_answer_as_with_keys_of_nothing(
        self, agencies, people
    ):
        """What is chosen in a POST is read as a member too."""
        tried = 0
        for person in (people[0], people[5]):
            for model, page in registry():
                for row in rows_of(agencies, person.foreign, model)[:1]:
                    for action in map(str, page.actions or []):
                        texts = [
                            self.posted(person, model, action, key)
                            for key in (row.pk, MISSING)
                        ]
                        assert texts[0] == texts[1], (person, model, action)
                        tried += 1
        assert tried > 10

    def posted(self, person: Any, model: type[Model], action: str, key: int) -> Any:
        content = {"action": action, "_selected_action": [key], "index": "0"}
        answer = person.client.post(base_of(model), content, follow=True)
        text = answer.content.decode().lower()
        assert not [code for code in person.foreign if code.lower() in text]
        messages = [str(message) for message in (answer.context or {})["messages"]]
        return answer.status_code, answer.redirect_chain, messages

    def test_choices_of_forms_are_those_within_reach(self, agencies, people):
        """A new holder from elsewhere is refused as one who does not exist."""
        seat = Seat.objects.filter(agency=agencies[HOME]).latest("pk")
        foreign = Agent.objects.filter(agency=agencies[SIBLING]).latest("pk")
        texts = []
        for key in (foreign.pk, MISSING):
            content = {
                "action": "transfer", "_selected_action": [seat.pk], "apply": "1",
                "on": "2026-05-01", "reason": "", f"agent_{seat.pk}": key,
            }  # fmt: skip
            answer = people[0].client.post(base_of(Seat), content)
            texts.append(str(answer.context["form"].errors))
        assert "Select a valid choice" in texts[0]
        assert texts[0] == texts[1]


def expected(model: type[Model], page: Any, reach: Reach) -> int:
    """How many rows of a list the person reaches, by the first wall's own terms."""
    if model is Agency and not reach.may(page.view):
        return 1  # the name of an agent's own agency stands on its seat
    ids, agents = reach.agencies(page.view), reach.agents(page.view)
    rows = model._default_manager.filter(**{f"{page.agency_path}__in": ids})
    if page.agent_path and agents:
        own = model._default_manager.filter(**{f"{page.agent_path}__in": agents})
        rows = rows | own
    if model is Document:
        rows = rows.exclude(state="draft")
    return rows.distinct().count()


class TestSponsors:
    """STRANGERZZ pays half of what HOMEZZ uses from April on."""

    @pytest.fixture
    def sponsored(self, agencies, settings):
        set_payer_shares(
            agency=agencies[HOME], starts_on=APRIL, actor="test", now=MAY_2,
            shares=dict.fromkeys([agencies[HOME], agencies[STRANGER]], Decimal(50)),
        )  # fmt: skip
        bill(APRIL)
        (document,) = Document.objects.filter(payer=agencies[STRANGER], month=APRIL)
        return document

    def test_documents_are_not_those_of_whom_they_pay_for(
        self, sponsored, people, without_first_wall
    ):
        owner = people[0].client
        page = f"{base_of(Document)}{sponsored.pk}/change/"
        absent = owner.get(f"{base_of(Document)}{MISSING}/change/")

        answer = owner.get(page)
        listed = owner.get(base_of(Document)).context["cl"].result_list

        assert (answer.status_code, answer.content) == (404, absent.content)
        assert {row.payer.code for row in listed} == {HOME, BELOW}

    def test_see_the_lines_that_they_pay_and_whose_they_are(self, sponsored, people):
        sponsor = next(p for p in people if p.name.endswith("strangerzz"))

        answer = sponsor.client.get(f"{base_of(Document)}{sponsored.pk}/change/")
        text = answer.content.decode()

        assert sponsored.lines.filter(agency__code=HOME).exists()
        assert answer.status_code == 200
        assert "HOMEZZ" in text
        line = sponsored.lines.get(agency__code=HOME, kind="seat")
        behind = sponsor.client.get(
            f"/agency/billing/document/{sponsored.pk}/lines/{line.position}/"
        )
        assert "homezz-1" in behind.content.decode()  # the seats behind the line
        for model in (Seat, Agent, Payment):
            rows = sponsor.client.get(base_of(model)).context["cl"].result_list
            assert "homezz" not in str(list(rows)).lower()
