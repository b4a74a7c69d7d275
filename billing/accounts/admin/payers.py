"""Which payer a page of money is about: the address names it, else the person's own."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import Http404, HttpRequest

from billing.accounts.models import BillingAccount
from core.admin.dressing import DressedForm, dress
from core.admin.scoped import any_of, reach_in
from core.periods import ZonePeriod, local_date, zone_on
from seats.access.domain import Action
from seats.models import Agency, Member

MOST_OFFERED = 200  # agencies in a list to choose from; for more, a code is typed


def payer_in(request: HttpRequest) -> Agency:
    """The agency that `?agency=CODE` names; without it, one the person is a member of.

    Raises Http404 if its money is out of the reach of the person.
    """
    ids = reach_in(request).agencies(Action.VIEW_MONEY)
    code = request.GET.get("agency")
    if code:
        rows = Agency.objects.filter(pk__in=any_of(ids))
        payer = None if "\0" in code else rows.filter(code=code).first()
    else:
        members = Member.objects.filter(user=request.user.pk, agency__in=any_of(ids))
        member = members.select_related("agency").order_by("pk").first()
        payer = member.agency if member else None
    # The engine reads with rights of its own, so the database is asked here once more.
    if payer is None or not BillingAccount.objects.filter(payer=payer).exists():
        raise Http404
    return payer


class PayerForm(DressedForm, forms.Form):
    """Chooses the agency that a page is about, among those whose money is in reach."""

    agency = forms.CharField(required=False, max_length=64)

    def __init__(self, request: HttpRequest, **options: Any) -> None:
        self.payer = payer_in(request)
        super().__init__({**request.GET.dict(), "agency": self.payer.code}, **options)
        ids = reach_in(request).agencies(Action.VIEW_MONEY)
        if len(ids) == 1:
            self.fields["agency"].widget = forms.HiddenInput()
        elif len(ids) <= MOST_OFFERED:
            self.fields["agency"].widget = forms.Select(choices=_names(ids))
        self.order_fields(["agency"])
        dress(self.fields["agency"])


def _names(ids: frozenset[int]) -> list[tuple[str, str]]:
    rows = Agency.objects.filter(pk__in=any_of(ids)).order_by("code")
    return [
        (code, f"{code}, {name}") for code, name in rows.values_list("code", "name")
    ]


def at_payer(instant: datetime, zones: list[ZonePeriod]) -> datetime:
    """The instant in the time zone that was in force at the payer, which it names."""
    return instant.astimezone(ZoneInfo(zone_on(zones, local_date(instant, zones))))
