"""Signal receivers of the accounts room."""

from typing import Any

from django.dispatch import receiver

from billing.accounts.services import open_account
from seats.models import Agency
from seats.signals import agency_added


@receiver(agency_added)
def open_account_of_new_agency(*, agency: Agency, **_: Any) -> None:
    """Runs in the transaction that adds the agency."""
    open_account(agency=agency)
