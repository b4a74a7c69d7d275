"""What staff type into the address of an admin page is answered, whatever it is."""

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.staff import log_in, make_staff

pytestmark = pytest.mark.django_db
BAD = ["id__regex=(", "id=1e999999", "pk=x", "q=%00", "p=99999999999999999999", "o=9.x",
       "e=%00", "_facets=True", "all=%00", "_to_field=%00", "_popup=x"]  # fmt: skip
BAD_VALUES = ["%00", "x", "1e999999", "99999999999999999999999", "a,%00"]


def columns_of(model):
    """A column of each kind that the list filters by, and of each that it does not."""
    page = admin.site.get_model_admin(model)
    filters = [
        entry[0] if isinstance(entry, tuple) else entry for entry in page.list_filter
    ]
    kinds = {
        (field.get_internal_type(), field.name in filters): field
        for field in model._meta.concrete_fields
    }
    return kinds.values()


def queries(model):
    """Odd values for columns, by the lookups that filters use."""
    yield from BAD
    for field in columns_of(model):
        kind = field.get_internal_type()
        lookups = ["", "__exact", "__in", "__isnull", "__gte"]
        if kind in {"DateField", "DateTimeField"}:
            yield from (f"{field.name}__year={year}" for year in (0, 99_999_999))
            yield f"{field.name}__month=0"
        for lookup, value in zip(lookups, BAD_VALUES, strict=True):
            yield f"{field.name}{lookup}={value}"


class TestAddresses:
    @pytest.fixture
    def staff(self, everything):
        return log_in(make_staff())

    def test_of_lists_are_answered_with_a_list_or_a_refusal(self, staff):
        for model in admin.site._registry:
            url = reverse(
                f"admin:{model._meta.label_lower.replace('.', '_')}_changelist"
            )
            for query in queries(model):
                status = staff.get(f"{url}?{query}").status_code
                assert status in {200, 302, 400}, (url, query, status)

    def test_of_hidden_columns_are_no_way_to_guess_them(self, staff):
        for page, column in (
            ("billing_webhookendpoint", "sealed_secret"), ("seats_apikey", "digest"),
            ("seats_invitation", "digest"), ("seats_user", "password"),
            ("billing_mail", "text"),
        ):  # fmt: skip
            url = reverse(f"admin:{page}_changelist")
            for lookup in ("startswith", "regex", "gt", "gte", "lt", "lte", "range"):
                answer = staff.get(f"{url}?{column}__{lookup}=a")
                assert answer.status_code == 400, (page, lookup)

    def test_of_forms_and_rows_are_answered(self, staff):
        for model, model_admin in admin.site._registry.items():
            name = f"admin:{model._meta.label_lower.replace('.', '_')}"
            for page in ("change", "history"):
                status = staff.get(reverse(f"{name}_{page}", args=["a\0"])).status_code
                assert status in {302, 404}, (model, page)
            request = staff.get(reverse(f"{name}_changelist")).wsgi_request
            if not model_admin.has_add_permission(request):
                continue
            for value in ("x", "%00", "1e9"):  # each column is read by itself
                columns = [field.name for field in model._meta.concrete_fields]
                query = "&".join(f"{column}={value}" for column in columns)
                status = staff.get(f"{reverse(f'{name}_add')}?{query}").status_code
                assert status == 200, (model, query)

    def test_of_the_search_boxes_are_answered(self, staff):
        box = {"app_label": "seats", "model_name": "apikey", "field_name": "agency"}
        url = reverse("admin:autocomplete")

        for term in ("SUN", "\0", "a" * 5_000, "\ufffd"):
            status = staff.get(url, {**box, "term": term}).status_code
            assert status == (400 if "\0" in term else 200), term
