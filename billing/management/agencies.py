"""Looks up agencies for commands."""

from django.core.management.base import CommandError

from core.parsing.values import shown
from seats.models import Agency


def find_agency(code: str, *, returncode: int = 1) -> Agency:
    """The agency with a code. Raises CommandError, which exits with `returncode`."""
    agency = Agency.objects.filter(code=code).first()
    if agency is None:
        message = f"unknown_agency: There is no agency {shown(code)}."
        raise CommandError(message, returncode=returncode)
    return agency
