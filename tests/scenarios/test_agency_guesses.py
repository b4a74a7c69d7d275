"""Attackers who make up addresses and forms: a right guess answers as a wrong one."""

import json

import pytest
from django.apps import apps
from django.db.models import ForeignKey

from tests.crawl import MISSING, Crawl, base_of, registry, rows_of
from tests.downline import BELOW, HOME

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]


class TestGuesses:
    """Addresses that an attacker makes up."""

    def test_of_a_hidden_value_answer_as_guesses_of_nonsense(self, agencies, people):
        """Filters by any column, of the row or of a related one, right or wrong."""
        below = next(p for p in people if p.name.endswith("belowzz"))
        crawl = Crawl(below)
        for model, page in registry():
            (hidden, *_) = rows_of(agencies, {HOME}, model)
            own = model._default_manager.filter(
                **{page.agency_path: agencies[BELOW].pk}
            )
            for field in model._meta.concrete_fields:
                value = field.value_from_object(hidden)
                if value is None or own.filter(**{field.attname: value}).exists():
                    continue  # what rows within reach contain too is no secret
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

    def test_of_very_many_words_are_not_searched_for(self, people):
        """Each word is a condition on every column, so that many take minutes."""
        agent = people[4].client
        offers = (
            "/agency/autocomplete/?app_label=seats&model_name=seat&field_name=agent"
        )
        for count, hits in ((20, 1), (21, 0), (10_000, 0)):
            words = "+".join(["homezz"] * count)

            page = agent.get(f"/agency/seats/agent/?q={words}")
            offered = agent.get(f"{offers}&term={words}").json()["results"]

            assert page.context["cl"].result_count == hits
            assert ("at most 20 words" in page.content.decode()) is not bool(hits)
            assert len(offered) == hits

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
                        answers = [
                            _posted(crawl, base_of(model), action, key)
                            for key in (row.pk, MISSING)
                        ]
                        assert answers[0] == answers[1], (person, model, action)
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
    messages = [str(message) for message in (answer.context or {}).get("messages", [])]
    return answer.status_code, answer.redirect_chain, messages
