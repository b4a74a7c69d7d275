"""The months that staff may choose for a billing run."""

from django import forms
from django.utils import timezone

from core.admin.dressing import DressedForm
from core.periods import month_of, previous_month

MONTHS_OFFERED = 12


def months_offered() -> list[tuple[str, str]]:
    """The last months, the newest first, as choices of a form."""
    months = [previous_month(month_of(timezone.now().date()))]
    while len(months) < MONTHS_OFFERED:
        months.append(previous_month(months[-1]))
    return [(f"{month:%Y-%m}", f"{month:%B %Y}") for month in months]


def newest_month() -> str:
    """The last month that is over in UTC, as a choice."""
    return months_offered()[0][0]


class MonthForm(DressedForm, forms.Form):
    """The month that a plan is for."""

    month = forms.ChoiceField(choices=months_offered, initial=newest_month)
