"""Every add form of the admin: what is entered is added once, and says so."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.budgets.models import Budget
from billing.pricing.models import Meter, PriceList
from billing.processors.services.processors import add_processor
from billing.webhooks.models import OutboxEvent
from core.admin.readonly import AddingAdmin, AddingForm
from seats.models import Agency, AgencyZone, CutoffCounter, Member, User
from tests.billing.processors.stripe_fake import KEY, SECRET, fake_stripe
from tests.billing.webhooks.conftest import Clock
from tests.build import APRIL, APRIL_2, make_agency

pytestmark = pytest.mark.django_db
CSV = b"id,agent,meter,quantity,occurred_at\nc1,ana,voice.out,60,2026-03-05T12:00:00Z\n"
PASSWORD = "correct horse battery"
REFUSED, EXISTING, ADDED = "refused", "already there", "added once more"


@dataclass(frozen=True)
class Filled:
    """What is entered in a form, and what becomes of it the second time."""

    entered: Callable[[], dict[str, Any]]
    again: str = REFUSED


def sunrise() -> Any:
    return Agency.objects.get(code="A0").pk


def soon() -> str:
    return (timezone.now().date() + timedelta(days=14)).isoformat()


def draft() -> Any:
    return PriceList.objects.get(code="DRAFT").pk


def processor(code: str) -> Any:
    return admin.site.get_model_admin(_model("paymentprocessor")).model.objects.get(
        code=code
    )


def invoice() -> Any:
    return _model("document").objects.get(payer__code="A0").pk


def _model(name: str) -> Any:
    return next(m for m in admin.site._registry if m._meta.model_name == name)


FORMS: dict[str, Filled] = {
    "agency": Filled(
        lambda: {"code": "NEW", "name": "New", "currency": "USD", "zone": "UTC"}
    ),
    "agent": Filled(
        lambda: {"agency": sunrise(), "external_id": "new", "name": "New", "npn": "1"}
    ),
    "user": Filled(lambda: {"email": "new@example.com", "name": "New"}),
    "member": Filled(
        lambda: {
            "agency": sunrise(), "user": User.objects.get(is_staff=True).pk,
            "role": "owner",
        }
    ),
    "invitation": Filled(
        lambda: {"agency": sunrise(), "email": "new@example.com", "role": "owner"},
        ADDED,  # and the first one is revoked
    ),
    "supportsession": Filled(
        lambda: {
            "agency": sunrise(), "user": User.objects.get(is_staff=False).pk,
            "reason": "Ticket 7",
        },
        ADDED,  # and the first one ends
    ),
    "usageimport": Filled(
        lambda: {
            "agency": sunrise(),
            "feed": "csv",
            "file": SimpleUploadedFile("usage.csv", CSV),
        },
        ADDED,  # events are counted once, however often a file comes
    ),
    "dialplan": Filled(
        lambda: {"agency": sunrise(), "inbound_words": "lead-line"}, EXISTING
    ),
    "dunninghold": Filled(
        lambda: {"payer": sunrise(), "until": soon(), "reason": "Promised"}, ADDED
    ),
    "budget": Filled(
        lambda: {"agency": sunrise(), "amount": "100.00", "thresholds": "50,100"}
    ),
    "checkoutpage": Filled(
        lambda: {
            "invoice": invoice(), "processor": processor("stripe").pk,
            "return_url": "https://agency.example.com/paid",
        },
        EXISTING,
    ),
    "payment": Filled(
        lambda: {
            "payer": sunrise(), "amount": "50.00", "reference": "TRN-1",
            "method": "bank_transfer",
        },
        EXISTING,
    ),
    "paymentprocessor": Filled(
        lambda: {"code": "new", "kind": "webhook", "url": "https://pay.example.com/n"}
    ),
    "paymentmethod": Filled(
        lambda: {
            "payer": sunrise(), "processor": processor("acme").pk, "label": "Visa 1"
        },
        EXISTING,
    ),
    "paymentattempt": Filled(
        lambda: {"invoice": invoice(), "processor": processor("acme").pk}
    ),
    "billingrun": Filled(
        lambda: {"reason": "The schedule is late", "confirmed": "1"},
        EXISTING,  # the open run of the month goes on
    ),
    "webhookendpoint": Filled(
        lambda: {"agency": sunrise(), "url": "https://hooks.example.com/"}, ADDED
    ),
    "payershareset": Filled(
        lambda: {"agency": sunrise(), "starts_on": soon(), "shares": "A0 100"}, ADDED
    ),
    "pricelist": Filled(
        lambda: {
            "code": "NEXT", "currency": "USD", "starts_on": "2027-01-01",
            "seat_price": "60",
        }
    ),
    "rate": Filled(
        lambda: {
            "price_list": draft(), "meter": Meter.objects.order_by("code")[0].pk,
            "minimum": "0", "increment": "1", "unit_size": "60", "model": "per_unit",
            "unit_price": "0.02", "included_per_seat": "0",
        }
    ),
}  # fmt: skip


@pytest.fixture
def world(invoices, acme, settings):
    """Agencies with an invoice each, two processors, and a price list in the making."""
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    PriceList.objects.create(
        code="DRAFT", currency="USD", starts_on=APRIL, seat_price=Decimal(60)
    )
    guest = User.objects.create_user("guest@example.com", PASSWORD)
    Member.objects.create(
        user=guest, agency_id=sunrise(), role="owner", created_at=APRIL_2
    )
    with fake_stripe(Clock()) as stripe:
        add_processor(
            code="stripe", url=stripe.url, kind="stripe", key=KEY,
            endpoint_secret=SECRET, actor="test", now=APRIL_2,
        )  # fmt: skip
        yield


def add_forms(user: User) -> dict[str, Any]:
    """The models that staff may add rows of, by name."""
    request = RequestFactory().get("/admin/")
    request.user = user
    return {
        str(model._meta.model_name): model
        for model, page in admin.site._registry.items()
        if page.has_add_permission(request)
    }


def add_page(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def entered(staff: Any, model: Any) -> dict[str, Any]:
    """What a browser sends: all that the page shows, and what is filled in."""
    context = staff.get(add_page(model)).context
    form = context["adminform"].form
    shown = {field.html_name: field.initial for field in form}
    for formset in context["inline_admin_formsets"]:
        for field in formset.formset.management_form:
            shown[field.html_name] = field.initial
    shown |= FORMS[model._meta.model_name].entered()
    return {
        name: value
        for name, value in shown.items()
        if value is not None and value is not False
    }


def test_no_add_form_is_forgotten_here(admin_user):
    assert FORMS.keys() == add_forms(admin_user).keys()


class TestAddForms:
    @pytest.mark.parametrize("name", FORMS)
    def test_add_once_and_the_second_time_say_what_is_wrong(self, staff, world, name):
        model = _model(name)
        before = model.objects.count()

        first = staff.post(add_page(model), entered(staff, model))
        assert first.status_code == 302, _errors(first)
        assert model.objects.count() == before + 1
        events = OutboxEvent.objects.count()
        second = staff.post(add_page(model), entered(staff, model))

        again = FORMS[name].again
        assert model.objects.count() == before + 1 + (again == ADDED)
        assert second.status_code == (200 if again == REFUSED else 302)
        if again == REFUSED:
            assert _errors(second)
        if again != ADDED:
            assert OutboxEvent.objects.count() == events

    @pytest.mark.parametrize(
        "name",
        [m._meta.model_name for m, page in admin.site._registry.items()
         if isinstance(page, AddingAdmin)],
    )  # fmt: skip
    def test_write_nothing_while_they_check(self, staff, world, name, admin_user):
        model = _model(name)
        page = admin.site._registry[model]
        request = RequestFactory().get("/")
        request.user = admin_user
        content = entered(staff, model)
        files: Any = {"file": content.pop("file")} if "file" in content else None
        form = page.get_form(request)(content, files)

        with CaptureQueriesContext(connection) as queries:
            assert form.is_valid(), form.errors

        assert isinstance(form, AddingForm)
        written = {"INSERT", "UPDATE", "DELETE"}
        assert not written & {query["sql"].split()[0] for query in queries}


def test_a_key_that_is_none_is_refused_at_its_field(staff, world, admin_user):
    """The form is shown again with what was entered, and that may be anything."""
    for model in add_forms(admin_user).values():
        keys = [field.name for field in model._meta.fields if field.remote_field]
        for text in ("abc", "1.5", "\0", "9" * 30):
            answer = staff.post(add_page(model), dict.fromkeys(keys, text))

            assert answer.status_code == 200, (model, text)
            assert _errors(answer), (model, text)


class TestAgencies:
    def add(self, staff, **changes):
        content = {"code": "NEW", "name": "New", "currency": "USD", "zone": "UTC"}
        return staff.post(add_page(Agency), {**content, **changes}, follow=True)

    def test_are_announced_once_and_the_page_says_so(self, staff):
        answer = self.add(staff)

        assert "was added successfully" in answer.content.decode()
        assert OutboxEvent.objects.filter(type="agency.added").count() == 1

    def test_refused_by_the_service_leave_nothing_and_show_why_at_the_field(
        self, staff
    ):
        answer = self.add(staff, code="not plain")

        assert "Agency code &#x27;not plain&#x27; or its currency is invalid." in str(
            answer.context["adminform"].form.errors.get("code")
        )
        assert not Agency.objects.exists()
        assert not AgencyZone.objects.exists()
        assert not CutoffCounter.objects.exists()
        assert not OutboxEvent.objects.exists()

    def test_keep_what_was_entered_when_the_page_comes_back(self, staff):
        answer = self.add(staff, code="not plain", name="Bayou Agency")

        assert "Bayou Agency" in answer.content.decode()


class TestBudgets:
    def test_a_refused_change_shows_at_the_field_and_changes_nothing(self, staff):
        agency = make_agency()
        content = {"agency": agency.pk, "amount": "100", "thresholds": "50,100"}
        staff.post(add_page(Budget), content)
        budget = Budget.objects.get()
        page = reverse("admin:billing_budget_change", args=[budget.pk])
        nested = {
            f"{kind}-{name}": "0"
            for kind in ("months", "alerts")
            for name in ("TOTAL_FORMS", "INITIAL_FORMS")
        }

        answer = staff.post(page, {**content, **nested, "amount": "-1"})
        saved = staff.post(page, {**content, **nested, "amount": "70"})

        assert "amount" in answer.context["adminform"].form.errors
        assert saved.status_code == 302, _errors(saved)
        assert Budget.objects.get().amount == 70


def _errors(answer: Any) -> Any:
    if answer.context is None:
        return None
    form = answer.context["adminform"].form
    return form.errors or answer.context["errors"]


def test_a_new_user_logs_in_once_staff_has_set_a_password(staff):
    """As docs/operations.md says, by what the page offers."""
    user = User.objects.create_user("new@example.com", is_staff=True)
    page = staff.get(reverse("admin:seats_user_change", args=[user.pk]))
    assert "Set password" in page.content.decode()
    assert not Client().login(email="new@example.com", password="")

    answer = staff.post(
        reverse("admin:auth_user_password_change", args=[user.pk]),
        {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"},
    )

    assert answer.status_code == 302
    assert Client().login(username="new@example.com", password=PASSWORD)
    page = staff.get(reverse("admin:seats_user_change", args=[user.pk]))
    assert "Reset password" in page.content.decode()
