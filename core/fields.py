"""Serializer and form fields for numbers and dates in plain ASCII.

Django and DRF parse with `int` and `Decimal`, which also accept `1_000`, full-width and
other digits. These fields accept only what `core.parsing` accepts.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from rest_framework import serializers

from core.parsing import values

ASCII_ONLY = "Enter plain ASCII digits, without underscores."


class PlainDecimal(serializers.DecimalField):
    """A decimal, as a JSON number or string."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str) and not _is_spelled(values.parse_decimal, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class PlainInteger(serializers.IntegerField):
    """A whole number, as a JSON number or string."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and not _is_spelled(values.parse_integer, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class LocalDate(serializers.DateField):
    """A local date, written as 2026-03-09."""

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not _is_spelled(values.parse_date, value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class PlainForm(forms.BaseForm):
    """A base for forms that accept numbers and dates in plain ASCII only."""

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        for name in self.fields:
            bound = self[name]
            if name not in self.errors and _is_number(bound) and _is_odd(bound.data):
                self.add_error(name, ASCII_ONLY)


def _is_number(bound: BoundField) -> bool:
    """Whether a field is of numbers or dates, or of a list of them."""
    field = getattr(bound.field, "base_field", bound.field)
    return isinstance(field, forms.IntegerField | forms.fields.BaseTemporalField)


def _is_odd(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return any(map(_is_odd, data))
    return isinstance(data, str) and not (data.isascii() and "_" not in data)


def _is_spelled(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
