"""Agencies as people name them."""

from django.core.management.base import CommandError

from seats.models import Agency


def find_agency(code: str, *, returncode: int = 1) -> Agency:
    """The agency of a code. Raises CommandError, to exit with that code."""
    agency = Agency.objects.filter(code=code).first()
    if agency is None:
        message = f"unknown_agency: there is no agency {code}."
        raise CommandError(message, returncode=returncode)
    return agency
