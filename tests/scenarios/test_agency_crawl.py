"""Attackers at both sites: nothing of an agency out of reach comes out of any page.

Every text of an agency contains its marker (see tests/downline.py), and whatever answers
for a row out of reach must answer the same for a row that does not exist.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver

from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import Document
from billing.metering.models import UsageDay
from billing.webhooks.models import WebhookEndpoint
from config.admin.agency import agency_site
from core.admin.pages import PAGES_OF_PANELS, PanelPage
from seats.models import Agent, AuditEntry, Seat, User
from tests.build import APRIL, APRIL_2, bill
from tests.crawl import MISSING, Crawl, base_of, registry, rows_of
from tests.downline import BELOW, HOME, SIBLING, TOP, UPLINES
from tests.staff import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
LINK = re.compile(r'href="(\?[^"]*)"')
# What the site consists of. A new kind of page has to be crawled here.
SITE_PAGES = {"index", "login", "logout", "password_change", "password_change_done",
              "autocomplete", "jsi18n", "app_list", "search", "usage"}  # fmt: skip
MODEL_PAGES = {"changelist", "add", "history", "delete", "change"}


def names(patterns: Iterable[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def panel_pages() -> list[PanelPage]:
    return [page for page in PAGES_OF_PANELS if page.site == "agency" and page.path]


def test_the_site_has_no_page_that_is_not_crawled():
    pages = {
        f"{model._meta.app_label}_{model._meta.model_name}_{kind}"
        for model, _ in registry()
        for kind in MODEL_PAGES
    }

    panels = {page.name for page in panel_pages()}
    assert set(names(agency_site.get_urls())) == pages | SITE_PAGES | panels
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
                         "password_change/", "r/7/1/", "usage/", "auth/user/1/change/",
                         "seats/member/", "billing/mail/", "roster-file/",
                         *(f"roster-file/?csv=roster&agency={agency.pk}"
                           for agency in agencies.values())):  # fmt: skip
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
                if answer.status_code != 200 or model is AuditEntry:
                    continue  # of the activity, less is shown: see test_activity.py
                change_list = answer.context["cl"]
                path = page.agency_path
                ids = [agencies[code].pk for code in person.reaches]
                if page.view.value.startswith(("view API", "view members")):
                    ids = [agencies[HOME].pk]
                rows = model._default_manager.filter(**{f"{path}__in": ids})

                assert change_list.result_count == rows.count(), (person, model)
                assert change_list.full_result_count in (None, rows.count())


class TestPagesOfMoney:
    """Invoices, what is behind their lines, accounts and plans, by every role."""

    OF_A_DOCUMENT = ("change/", "change/?csv=lines", "pay/", "lines/1/", "lines/2/",
                     "lines/1/?csv=seats", "lines/2/?csv=agents", "lines/2/?csv=days",
                     "lines/2/calls/?day=2026-03-10", "lines/2/calls/?csv=calls")  # fmt: skip
    OF_AN_AGENCY = ("compare/", "account/", "account/?csv=statement", "next-invoice/",
                    "next-invoice/?add=3", "prices/", "prices/?csv=rates")  # fmt: skip

    def test_show_documents_within_reach_and_no_other(self, agencies, people):
        for person in people:
            crawl = Crawl(person)
            reads = person.name.split("@")[0] not in {"supervisor", "agent"}
            pays = reads and not person.name.startswith("billing_viewer")
            base = "/agency/billing/document/{}/"
            for document in Document.objects.select_related("payer"):
                within = document.payer.code in person.reaches and reads
                for page in self.OF_A_DOCUMENT:
                    status, text = crawl.get(base.format(document.pk) + page)
                    allowed = within and (pays or page != "pay/")
                    assert status == (200 if allowed else 404), (person.name, page)
                    if not allowed:
                        assert (status, text) == crawl.get(base.format(MISSING) + page)
                if within:
                    assert crawl.get(f"{base.format(document.pk)}lines/99/")[0] == 404
            assert crawl.leaks == [], person.name

    def test_show_agencies_within_reach_and_no_other(self, agencies, people):
        bill(APRIL)
        for person in people:
            crawl = Crawl(person)
            reads = person.name.split("@")[0] not in {"supervisor", "agent"}
            for page in self.OF_AN_AGENCY:
                status, _ = crawl.get(f"/agency/{page}")
                assert status == (200 if reads else 404), (person.name, page)
                query = "&" if "?" in page else "?"
                path = f"/agency/{page}{query}agency={{}}"
                for code in UPLINES:
                    if code in person.foreign or not reads:
                        crawl.compare(path, code, "NOBODY")
                    else:
                        assert crawl.get(path.format(code))[0] == 200
            status, _ = crawl.get("/agency/payment-method/")
            assert status == (200 if person.name.startswith("owner") else 404)
            assert crawl.leaks == [], person.name

    def test_compare_no_document_out_of_reach(self, agencies, people):
        bill(APRIL)
        owner = people[0]
        crawl = Crawl(owner)
        own = Document.objects.filter(payer__code=HOME)[0]
        for document in Document.objects.filter(payer__code__in=owner.foreign):
            path = f"/agency/compare/?before={{}}&after={own.pk}"
            crawl.compare(path, document.pk, MISSING)
        assert crawl.leaks == []

    def test_do_nothing_for_who_may_not(self, agencies, people):
        bill(APRIL)
        for person in people:
            for document in Document.objects.select_related("payer"):
                path = f"/agency/billing/document/{document.pk}/pay/"
                if person.role in {"owner", "admin"} and (
                    document.payer.code in person.reaches
                ):
                    continue
                for action in ("charge", "checkout", "close"):
                    answer = person.client.post(path, {"action": action})
                    assert answer.status_code == 404, (person.name, path)
            for code in person.foreign:
                for kind in ("save", "remove"):
                    body = {"action": f"{kind} {code}"}
                    answer = person.client.post("/agency/payment-method/", body)
                    assert answer.status_code == 404

    def test_show_a_sponsored_agency_nothing_of_its_sponsor(self, agencies, people):
        """TOP pays for HOME and SIBLING in April: one document with both sections."""
        for code in (HOME, SIBLING):
            set_payer_shares(
                agency=agencies[code], shares={agencies[TOP]: Decimal(100)},
                starts_on=APRIL, actor="test", now=APRIL_2,
            )  # fmt: skip
        bill(APRIL)
        sponsors = Document.objects.get(payer__code=TOP, month=APRIL)
        pages = {"homezz", "siblingzz"}
        top = next(p for p in people if p.name.endswith("topzz"))
        home = Crawl(people[0])

        page = f"/agency/billing/document/{sponsors.pk}/change/"
        text = top.client.get(page).content.decode().lower()

        assert all(code in text for code in pages)
        assert home.get(page)[0] == 404
        for address in (
            "account/",
            "compare/",
            "next-invoice/?add=2",
            "billing/document/",
        ):
            assert home.get(f"/agency/{address}")[0] == 200
        assert home.leaks == []


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

        assert text.count("done by owner@belowzz") == 1
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
