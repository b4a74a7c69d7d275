"""Forms of the admin say in words what the tables would refuse."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.core.management import call_command
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.urls import reverse

from billing.pricing.models import Meter, PriceList, Rate
from core.admin.readonly import AddingForm, ReadOnlyInline
from seats.models import Agent, Member, User
from tests.build import APRIL, make_agency, make_prices
from tests.staff import make_staff, page_of, request_of

pytestmark = pytest.mark.django_db
RAW = ["Constraint “", "is violated", "violates"]


def forms_of(user: User) -> list[tuple[Any, set[str]]]:
    """Every model that Django's own forms save, with the fields that staff enter."""
    request = request_of(user)
    forms = []
    for model, page in admin.site._registry.items():
        may_add = page.has_add_permission(request)
        for change in (False, True):
            if not (page.has_change_permission(request) if change else may_add):
                continue
            form: Any = page.get_form(request, None, change=change)
            if not issubclass(form, AddingForm):
                forms.append((model, set(form.base_fields)))
        forms += [
            (inline.model, {field.name for field in inline.model._meta.fields})
            for inline in page.inlines
            if not issubclass(inline, ReadOnlyInline)
        ]
    return forms


def shows_its_name(constraint: Any, fields: set[str]) -> bool:
    """Whether a form of these fields would show the name of this constraint."""
    if constraint.violation_error_message != constraint.default_violation_error_message:
        return False
    if isinstance(constraint, UniqueConstraint) and constraint.condition is None:
        return False  # Django names the fields
    condition: Q = constraint.condition
    return condition.referenced_base_fields <= fields


def test_no_form_shows_the_name_of_a_constraint():
    raw = {
        (model.__name__, constraint.name)
        for model, fields in forms_of(make_staff())
        for constraint in model._meta.constraints
        if shows_its_name(constraint, fields)
    }
    assert raw == set()


def test_the_look_is_not_blind():
    models = {model for model, _ in forms_of(make_staff())}
    assert {PriceList, Rate, Agent, Member, User} <= models
    plain = CheckConstraint(condition=Q(code="A"), name="code_is_a")
    assert shows_its_name(plain, {"code"})
    assert not shows_its_name(plain, {"name"})


def test_every_field_that_is_named_is_one_of_the_model():
    for model in admin.site._registry:
        for constraint in model._meta.constraints:
            if name := getattr(constraint, "field", ""):
                try:
                    model._meta.get_field(name)
                except FieldDoesNotExist:
                    pytest.fail(f"{constraint.name} names {name}")


def test_what_constraints_say_is_no_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.fixture
def draft(db):
    prices = PriceList.objects.create(
        code="DRAFT", currency="USD", starts_on=APRIL, seat_price=Decimal(60)
    )
    make_prices()
    meter = Meter.objects.order_by("code")[0]
    return Rate.objects.create(price_list=prices, meter=meter, model="graduated")


def refused(staff, url: str, **entered: Any) -> Any:
    """The page that comes back; it names no constraint."""
    page = staff.get(url).context
    forms = [page["adminform"].form]
    for inline in page["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.initial_forms]
    shown = {
        field.html_name: "" if field.value() is None else field.value()
        for form in forms
        for field in form
    }
    answer = staff.post(url, {**shown, **entered})
    assert answer.status_code == 200
    assert not [words for words in RAW if words in answer.content.decode()]
    return answer


def errors(answer: Any) -> Any:
    return answer.context["adminform"].form.errors.get_json_data()


def add(model: Any) -> str:
    return page_of(model, "add")


class TestFields:
    def test_a_price_list_starts_with_a_month(self, staff):
        answer = refused(
            staff, add(PriceList), code="N", currency="USD", starts_on="2027-01-15",
            seat_price="50",
        )  # fmt: skip

        assert errors(answer).keys() == {"starts_on"}
        assert "Enter a 1st." in str(errors(answer))

    def test_a_seat_price_is_not_negative(self, staff):
        answer = refused(
            staff, add(PriceList), code="N", currency="USD", starts_on="2027-01-01",
            seat_price="-1",
        )  # fmt: skip

        assert errors(answer).keys() == {"seat_price"}

    def test_a_rate_has_what_its_model_needs(self, staff, draft):
        meter = Meter.objects.order_by("code")[1]
        answer = refused(
            staff, add(Rate), price_list=draft.price_list_id, meter=meter.pk,
            model="per_unit", unit_price="",
        )  # fmt: skip

        assert errors(answer).keys() == {"model"}

    def test_steps_of_a_rate_are_positive(self, staff, draft):
        meter = Meter.objects.order_by("code")[1]
        answer = refused(
            staff, add(Rate), price_list=draft.price_list_id, meter=meter.pk,
            model="per_unit", unit_price="1", increment="0",
        )  # fmt: skip

        assert "increment" in str(errors(answer)["__all__"])

    def test_an_agent_has_an_npn_of_digits(self, staff):
        answer = refused(
            staff, add(Agent), agency=make_agency().pk, external_id="a", name="A",
            npn="12x",
        )  # fmt: skip

        assert errors(answer).keys() == {"npn"}

    def test_only_an_agent_member_names_an_agent(self, staff):
        user = User.objects.create_user("ana@example.com")
        answer = refused(
            staff, add(Member), user=user.pk, agency=make_agency().pk, role="agent"
        )

        assert errors(answer).keys() == {"agent"}


class TestTiers:
    def tiers(self, *rows: dict[str, str]) -> dict[str, Any]:
        entered: dict[str, Any] = {"tiers-TOTAL_FORMS": len(rows)}
        for number, row in enumerate(rows):
            filled = {"flat_fee": "0", "unit_price": "1", "position": number, **row}
            entered |= {f"tiers-{number}-{key}": value for key, value in filled.items()}
        return entered

    def test_only_one_has_no_upper_bound(self, staff, draft):
        url = reverse("admin:billing_rate_change", args=[draft.pk])
        answer = refused(staff, url, **self.tiers({"up_to": ""}, {"up_to": ""}))

        (formset,) = answer.context["inline_admin_formsets"]
        assert [form.errors.keys() for form in formset.formset.forms] == [
            set(),
            {"up_to"},
        ]

    def test_no_two_have_the_same_upper_bound_or_position(self, staff, draft):
        url = reverse("admin:billing_rate_change", args=[draft.pk])
        refused(staff, url, **self.tiers({"up_to": "5"}, {"up_to": "5"}))
        refused(
            staff, url, **self.tiers({"position": "1"}, {"up_to": "5", "position": "1"})
        )

    def test_prices_are_not_negative(self, staff, draft):
        url = reverse("admin:billing_rate_change", args=[draft.pk])
        answer = refused(staff, url, **self.tiers({"up_to": "", "unit_price": "-1"}))

        assert "0 or more" in answer.content.decode()


def test_an_address_is_kept_in_lower_case_when_it_is_changed(staff):
    user = User.objects.create_user("ana@example.com")
    url = page_of(User, "change", user.pk)

    answer = staff.post(url, {"email": "Ana.Ray@Example.com", "name": "Ana"})

    assert answer.status_code == 302
    user.refresh_from_db()
    assert user.email == "ana.ray@example.com"
