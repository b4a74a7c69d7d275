"""What the accounts room hears from below."""

from typing import Any

from django.dispatch import receiver

from billing.accounts.services import open_account
from seats.models import Agency
from seats.signals import agency_added


@receiver(agency_added)
def open_the_account(*, agency: Agency, **_: Any) -> None:
    open_account(agency=agency)
