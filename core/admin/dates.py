"""Date fields of forms: the browser's date picker, and initial local dates."""

import copy
from datetime import date
from typing import TypeVar

from django import forms

F = TypeVar("F", bound=forms.Form)


class DateInput(forms.DateInput):
    """`<input type="date">`; browsers send and want dates as 2026-03-09."""

    input_type = "date"

    def __init__(self, attrs: dict[str, str] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class DateField(forms.DateField):
    """A local date of an agency; see `with_initial_dates`."""

    widget = DateInput
    input_formats = ["%Y-%m-%d"]


def with_initial_dates(form_class: type[F], **dates: date) -> type[F]:
    """A subclass of the form whose date fields have these initial dates."""
    fields: dict[str, forms.Field] = {}
    for name, day in dates.items():
        fields[name] = copy.deepcopy(form_class.base_fields[name])
        fields[name].initial = day
    return type(form_class.__name__, (form_class,), fields)
