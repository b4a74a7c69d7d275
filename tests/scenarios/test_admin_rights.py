"""Who may do what in the admin: by permissions of their own, asked first, recorded."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import models
from django.urls import URLPattern, reverse

from billing.jobs import JOBS, keep_jobs
from seats.models import User
from tests.staff import log_in, make_staff, make_viewer, page_of, snapshot

pytestmark = pytest.mark.django_db
GUIDE = Path(__file__).parents[2] / "docs/operations.md"
REGISTRY = admin.site._registry
# Every kind of page, whether it is of a row, and the verb of its permission.
PAGES = {"changelist": 0, "add": 0, "change": 1, "delete": 1, "history": 1}
VERBS = {"add": "add", "delete": "delete"}
# Pages that nobody has: an action, or the form of another page, does it.
DONE_ELSEWHERE = {
    ("seats.Seat", "add"), ("seats.Member", "delete"), ("billing.Budget", "delete"),
    ("billing.PriceList", "delete"), ("billing.Rate", "delete"),
    ("billing.WebhookEndpoint", "delete"),
}  # fmt: skip


class TestViewing:
    def test_changes_nothing_by_any_page(self, everything):
        viewer = log_in(make_viewer())
        superuser = make_staff()
        before = snapshot()

        for model, model_admin in REGISTRY.items():
            row = model._default_manager.order_by("pk").first()
            assert row, f"tests/everything.py makes no {model._meta.label}"
            assert viewer.get(page_of(model, "changelist")).status_code == 200
            form = viewer.get(page_of(model, "change", row.pk))
            assert form.status_code == 200, model
            assert 'name="_save"' not in form.content.decode(), model
            for url in [
                page_of(model, "add"),
                page_of(model, "change", row.pk),
                page_of(model, "delete", row.pk),
            ]:
                for content in ({}, {"_save": "1", **_typed(row)}):
                    assert viewer.post(url, content).status_code == 403, url
            for pattern in _own_urls(model_admin):
                args = ["1"] * len(pattern.pattern.converters)
                viewer.post(reverse(f"admin:{pattern.name}", args=args))
        password = reverse("admin:auth_user_password_change", args=[superuser.pk])
        assert viewer.post(password, {"password1": "x" * 12}).status_code == 403

        assert snapshot() == before

    def test_is_needed_for_every_page(self, everything):
        nobody = log_in(make_staff("nobody@example.com", job="support"))
        User.objects.get(email="nobody@example.com").groups.clear()

        for model, model_admin in REGISTRY.items():
            row = model._default_manager.order_by("pk").first()
            assert row, f"tests/everything.py makes no {model._meta.label}"
            for page in (
                page_of(model, "changelist"),
                page_of(model, "add"),
                page_of(model, "change", row.pk),
                page_of(model, "history", row.pk),
            ):
                assert nobody.get(page).status_code == 403, page
            for pattern in _own_urls(model_admin):
                args = ["1"] * len(pattern.pattern.converters)
                answer = nobody.get(reverse(f"admin:{pattern.name}", args=args))
                assert answer.status_code in {403, 404}, pattern.name


class TestJobs:
    def test_see_the_tables_inside_of_the_pages_that_they_see(self):
        for job, permissions in JOBS.items():
            for model, page in admin.site._registry.items():
                meta = model._meta
                if f"{meta.app_label}.view_{meta.model_name}" not in permissions:
                    continue
                for inline in page.inlines:
                    inner = inline.model._meta
                    permission = f"{inner.app_label}.view_{inner.model_name}"
                    assert permission in permissions, (job, meta.label, permission)

    def test_are_groups_with_exactly_the_permissions_of_the_table(self):
        for job, names in JOBS.items():
            rows = Group.objects.get(name=job).permissions.values_list(
                "content_type__app_label", "codename"
            )
            assert {f"{app}.{codename}" for app, codename in rows} == names

    def test_are_put_right_by_every_migration(self):
        group = Group.objects.get(name="support")
        group.permissions.clear()
        Group.objects.get(name="billing").delete()
        mine = Group.objects.create(name="of an operator")

        keep_jobs(using="default")
        keep_jobs(using="default")

        self.test_are_groups_with_exactly_the_permissions_of_the_table()
        assert Group.objects.filter(pk=mine.pk).exists()

    def test_are_told_to_operators(self):
        rows = re.findall(r"^\| `(\S+)` \| (.*) \|$", GUIDE.read_text(), re.MULTILINE)
        allowed: dict[str, set[str]] = {job: set() for job in JOBS}
        for name, cells in rows:
            for job, cell in zip(
                ("support", "billing", "admin"), cells.split("|"), strict=False
            ):
                if cell.strip() == "yes":
                    allowed[job].add(name)

        for job, names in JOBS.items():
            changing = {name for name in names if ".view_" not in name}
            assert {name for name in allowed[job] if "." in name} == changing

    def test_let_the_admin_see_every_list(self):
        for model in REGISTRY:
            seen = f"{model._meta.app_label}.view_{model._meta.model_name}"
            assert seen in JOBS["admin"], f"billing/jobs.py names no {seen}"

    def test_split_the_work(self):
        assert JOBS["support"] | JOBS["billing"] < JOBS["admin"]
        money = {"billing.void_document", "billing.refund_payment"}
        assert money <= JOBS["billing"]
        assert not money & JOBS["support"]
        everything = set().union(*JOBS.values())
        assert not {name for name in everything if name.startswith("auth.change")}

    @pytest.mark.parametrize("job", sorted(JOBS))
    def test_open_the_lists_that_they_may_see(self, everything, job):
        staff = log_in(make_staff(job=job))

        for model in REGISTRY:
            seen = f"{model._meta.app_label}.view_{model._meta.model_name}"
            status = staff.get(page_of(model, "changelist")).status_code
            assert status == (200 if seen in JOBS[job] else 403), model

    @pytest.mark.parametrize("job", sorted(JOBS))
    def test_open_the_pages_of_their_permissions_and_no_others(self, everything, job):
        staff = log_in(make_staff(job=job))
        before = snapshot()
        opened, allowed = set(), set()

        for model in REGISTRY:
            meta = model._meta
            row = model._default_manager.order_by("pk").first()
            assert row, meta.label
            for kind, args in PAGES.items():
                page = page_of(model, kind, *([row.pk] if args else []))
                needed = f"{meta.app_label}.{VERBS.get(kind, 'view')}_{meta.model_name}"
                status = staff.get(page).status_code
                if needed in JOBS[job]:
                    allowed.add((meta.label, kind))
                if status != 403:
                    opened.add((meta.label, kind))

        assert opened <= allowed
        assert allowed - opened <= DONE_ELSEWHERE
        assert snapshot() == before


class TestStaffAccounts:
    CHANGE = "admin:seats_user_change"

    def test_get_a_job_from_a_superuser(self):
        boss = log_in(make_staff())
        user = User.objects.create_user("new@example.com", "a b c")
        job = Group.objects.get(name="billing")

        boss.post(
            reverse(self.CHANGE, args=[user.pk]),
            {
                "email": user.email, "name": "New", "is_active": "on", "is_staff": "on",
                "groups": [job.pk],
            },
        )  # fmt: skip

        user = User.objects.get(pk=user.pk)
        assert user.is_staff
        assert user.has_perm("billing.void_document")
        assert not user.is_superuser

    @pytest.mark.parametrize("job", ["support", "admin"])
    def test_raise_neither_themselves_nor_others(self, job):
        mine = make_staff("me@example.com", job=job)
        me = log_in(mine)
        others = [
            make_staff("boss@example.com"),
            make_staff("peer@example.com", job="billing"),
        ]
        customer = User.objects.create_user("customer@example.com", "a b c")
        changes = {
            "is_active": "on", "is_staff": "on", "is_superuser": "on", "name": "Changed",
            "groups": [group.pk for group in Group.objects.all()],
        }  # fmt: skip

        for user in (mine, *others):
            content = {"email": "mine-now@example.com", **changes}
            url = reverse(self.CHANGE, args=[user.pk])
            assert me.post(url, content).status_code == 403
            password = reverse("admin:auth_user_password_change", args=[user.pk])
            new = {"password1": "x" * 14, "password2": "x" * 14, "usable_password": "1"}
            assert me.post(password, new).status_code == 403
        url = reverse(self.CHANGE, args=[customer.pk])
        assert me.post(url, {"email": customer.email, **changes}).status_code == 302
        added = {"email": "added@example.com", **changes}
        assert me.post(reverse("admin:seats_user_add"), added).status_code == 302

        for user in User.objects.filter(email__in=[customer.email, added["email"]]):
            assert user.name == "Changed"
            assert (user.is_staff, user.is_superuser) == (False, False)
            assert not user.groups.exists()
        mine = User.objects.get(email="me@example.com")
        assert [group.name for group in mine.groups.all()] == [job]
        assert User.objects.filter(is_superuser=True).count() == 1


def _own_urls(model_admin: Any) -> list[URLPattern]:
    """Pages that an admin has beside those of Django."""
    kinds = ("_changelist", "_add", "_change", "_delete", "_history")
    return [
        url
        for url in model_admin.get_urls()
        if url.name and not url.name.endswith(kinds) and "password" not in url.name
    ]


def _typed(row: models.Model) -> dict[str, Any]:
    """The row as a form would send it, with other words."""
    return {
        field.attname.removesuffix("_id"): "1"
        for field in row._meta.concrete_fields
        if field.editable
    }
