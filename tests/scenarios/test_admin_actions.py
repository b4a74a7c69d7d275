"""Every action of the admin asks first, has a permission, and is recorded."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import RunItem
from billing.jobs import JOBS
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from core.admin.actions import ReasonForm, StaffAction
from core.admin.base import StaffAdmin
from seats.models import Agency, User
from tests.rollback import rolled_back
from tests.staff import (
    confirm,
    confirmation,
    log_in,
    make_staff,
    make_viewer,
    page_of,
    request_of,
    snapshot,
)

pytestmark = pytest.mark.django_db
REGISTRY = admin.site._registry
ACTIONS = {
    f"{model._meta.label_lower}.{name}": (model_admin, str(name))
    for model, model_admin in REGISTRY.items()
    for name in model_admin.actions or []
}
PARTS = 4  # that may run at once
# Which row an action is tried with, where the first one will not do, and what is
# filled in beside the reason. A new action may need an entry.
ROWS: dict[str, dict[str, Any]] = {
    "seats.agency.move": {"code": "SUNRISE"},
    "seats.agency.change_zone": {"code": "SUNRISE"},
    "seats.agent.add_a_seat": {"external_id": "newcomer"},
    "seats.user.remove_factor": {"email": "owner@sunrise.example.com"},
    "seats.seat.remove": {"agent__external_id": "agent-1"},
    "seats.seat.hand_over": {"agent__external_id": "agent-1"},
    "seats.seat.transfer": {"agent__external_id": "agent-1"},
    "seats.seat.cancel": {"agent__external_id": "agent-1"},
    "seats.seat.reopen": {"agent__external_id": "agent-0"},
    "billing.billingaccount.suspend": {"payer__code": "BARE"},
    "billing.billingaccount.lift": {"payer__code": "PARKED"},
    "billing.document.issue": {"state": "draft"},
    "billing.document.discard": {"state": "draft"},
    "billing.document.void": {"payer__code": "BARE", "state": "open"},
    "billing.runitem.release": {"state": "parked"},
    "billing.runitem.accept": {"state": "parked"},
    "billing.quarantinedevent.release": {"code": "unknown_agent"},
    "billing.quarantinedevent.replace_counted": {"code": "conflict"},
    "billing.mail.send_again": {"state": "failed"},
    "billing.pricelist.publish": {"code": "NEXT"},
    "billing.pricelist.delete_draft": {"code": "NEXT"},
    "billing.webhookendpoint.resume": {"state": "paused"},
    "billing.delivery.replay": {"state": "delivered"},
    "billing.payment.reverse": {"processor": "manual"},
}
DAY = {"on": "2026-05-10"}


def inputs(action: str) -> dict[str, Any]:
    """What is filled in, by today's date and the keys of today's rows."""
    now = timezone.now()
    table: dict[str, dict[str, Any]] = {
        "seats.agency.move": {
            "upline": Agency.objects.get(code="PARKED").pk, **DAY,
        },
        "seats.agency.change_zone": {
            "zone": "America/Chicago", "starts_on": f"{now.year + 1}-02-01",
        },
        "seats.agent.add_a_seat": DAY,
        "seats.seat.remove": DAY,
        "seats.seat.hand_over": {
            **DAY, "agents": "SUNRISE newcomer",
        },
        "seats.seat.transfer": {**DAY, "agents": "TOP mover"},
        "billing.dunningcase.hold": {
            "until": (now + timedelta(days=7)).date().isoformat()
        },
        "billing.quarantinedevent.release": {"agent": "agent-1"},
        "billing.payment.refund": {"amount": "2"},
        "billing.paymentattempt.close": {"outcome": "failed"},
        "billing.refundattempt.close": {"outcome": "failed"},
        "billing.paymentprocessor.change_address_or_keys": {
            "url": "https://other.example.com"
        },
        "billing.webhookendpoint.replay": {"since": 1},
    }  # fmt: skip
    return table.get(action, {})


def row_of(action: str, model: type[models.Model]) -> Any:
    rows = model._default_manager.filter(**ROWS.get(action, {}))
    return rows.order_by("pk").first()


class TestEveryAction:
    def test_has_a_permission_that_exists_and_a_job_that_has_it(self):
        for label, (model_admin, name) in ACTIONS.items():
            action = getattr(type(model_admin), name)
            assert isinstance(action, StaffAction), label
            permission = action.permission_for(model_admin.model)
            app, _, codename = permission.partition(".")
            rows = Permission.objects.filter(content_type__app_label=app)
            assert rows.filter(codename=codename).exists(), label
            assert not codename.startswith("view_"), label
            assert permission in JOBS["admin"], f"billing/jobs.py: {permission}"
            assert action.undo, label

    def test_is_the_only_way_to_change_many_rows(self):
        superuser = make_staff()
        for model, model_admin in REGISTRY.items():
            assert isinstance(model_admin, StaffAdmin), model
            request = request_of(superuser)
            assert set(model_admin.get_actions(request)) <= set(
                model_admin.actions or []
            )
            assert not model_admin.list_editable, model
            assert not model_admin.has_delete_permission(request), model

    @pytest.mark.parametrize("part", range(PARTS))
    def test_asks_first_does_what_was_confirmed_and_is_recorded(self, everything, part):
        for label, (model_admin, name) in list(ACTIONS.items())[part::PARTS]:
            action = getattr(type(model_admin), name)
            with rolled_back():
                self.try_out(label, action, model_admin.model)

    def try_out(self, label: str, action: StaffAction, model: type[models.Model]):
        row = row_of(label, model)
        assert row, f"tests/everything.py makes no row for {label}"
        permission = action.permission_for(model)
        looking, acting = make_viewer(), make_viewer(permission)
        viewer, actor = log_in(looking), log_in(acting)
        url = page_of(model, "changelist")
        reason = f"Ticket 4711 of {label}"
        content = {
            "action": action.name, "_selected_action": [row.pk], "reason": reason,
            **inputs(label),
        }  # fmt: skip
        before = snapshot()

        assert action.name in REGISTRY[model].get_actions(request_of(acting)), label
        assert action.name not in REGISTRY[model].get_actions(request_of(looking)), (
            label
        )
        forged = actor.post(url, {**content, "apply": "1"})
        final = confirmation(actor, url, content)
        viewer.post(url, final)
        assert forged.context["undo"] == action.undo, label
        assert forged.context["effects"], label
        assert snapshot() == before, label

        done = actor.post(url, final)

        entries = LogEntry.objects.filter(object_id=str(row.pk))
        entry = entries.filter(change_message__contains=f"Reason: {reason}").first()
        assert entry, (label, _messages(done))
        assert entry.user.email == "viewer1@example.com"
        assert entry.change_message.startswith(action.short_description)
        if type(row)._default_manager.filter(pk=row.pk).exists():
            history = actor.get(page_of(model, "history", row.pk)).content.decode()
            assert reason in history, label

    def test_is_shown_again_if_what_will_happen_changed_meanwhile(self, everything):
        staff = log_in(make_staff())
        document = Document.objects.get(payer__code="BARE", state="open")
        url = page_of(Document, "changelist")
        content = {"action": "void", "_selected_action": [document.pk], "reason": "x"}
        final = confirmation(staff, url, content)
        other = Document.objects.filter(payer__code="SUNRISE").first()
        assert other

        page = staff.post(url, {**final, "_selected_action": [document.pk, other.pk]})

        assert "Nothing has changed yet" in page.content.decode()
        assert not Document.objects.filter(state="void").exists()

    def test_is_shown_again_to_who_did_not_see_it(self, everything):
        """What somebody confirmed holds for no other user, action or kind of row."""
        item = RunItem.objects.filter(state="parked").earliest("pk")
        url = page_of(RunItem, "changelist")
        content = {"action": "release", "_selected_action": [item.pk], "reason": "x"}
        final = confirmation(log_in(make_staff()), url, content)
        other = log_in(make_staff("other@example.com"))

        for changes in ({}, {"action": "accept"}):
            page = other.post(url, {**final, **changes})
            assert "Nothing has changed yet" in page.content.decode()
        item.refresh_from_db()
        assert item.state == "parked"

    def test_says_no_secret_that_was_typed_in(self):
        staff = log_in(make_staff())
        row, *_ = add_processor(
            code="stripe", url="https://api.stripe.com", kind="stripe", key="sk_test_1",
            endpoint_secret="whsec_1", actor="test", now=timezone.now(),
        )  # fmt: skip
        content = {
            "action": "change_address_or_keys", "_selected_action": [row.pk],
            "url": "https://b.example.com", "sending": "sk_test_2",
        }  # fmt: skip

        page = confirm(staff, page_of(PaymentProcessor, "changelist"), content)

        assert _messages(page) == ["1 changed."]
        kind = ContentType.objects.get_for_model(row)
        (entry,) = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk))
        assert "b.example.com" in entry.change_message
        assert "sk_test" not in entry.change_message


class TestJobs:
    @pytest.mark.parametrize("job", sorted(JOBS))
    def test_do_what_their_permissions_name_and_nothing_else(self, everything, job):
        """Not even with a page that was shown while there was more to be done."""
        user = make_staff("once-boss@example.com")
        before = snapshot()

        for label, (model_admin, name) in ACTIONS.items():
            action, model = getattr(type(model_admin), name), model_admin.model
            row, url = row_of(label, model), page_of(model, "changelist")
            content = {"action": name, "_selected_action": [row.pk], **inputs(label)}
            is_allowed = action.permission_for(model) in JOBS[job]
            with rolled_back():
                final = confirmation(log_in(user), url, content)
                User.objects.filter(pk=user.pk).update(is_superuser=False)
                user.groups.add(Group.objects.get(name=job))
                staff = log_in(User.objects.get(pk=user.pk))
                now_only = snapshot()
                staff.post(url, content)
                assert snapshot() == now_only, label
                done = staff.post(url, final)
                assert (snapshot() != now_only) == is_allowed, (label, _messages(done))

        assert snapshot() == before


def _messages(page: Any) -> list[str]:
    """What a page tells: messages, or what is wrong with the form."""
    context = page.context or {}
    texts = [str(message) for message in context.get("messages", [])]
    form = context.get("form")
    return texts + ([str(form.errors)] if form else [])


def test_every_form_of_an_action_asks_for_a_reason():
    for label, (model_admin, name) in ACTIONS.items():
        form = getattr(type(model_admin), name).form(model_admin, None, [])
        assert issubclass(form, ReasonForm), label
        assert form.base_fields["reason"].required, label
