"""Adding agencies, moving them in the tree, and changing their zone."""

from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction

from core.errors import Kind, Refusal
from core.parsing.values import shown
from core.periods import local_date, month_of, next_month
from core.postgres.locks import lock_name
from seats.agencies.domain.webhook_events import (
    AgencyAdded,
    AgencyUplineChanged,
    AgencyZoneChanged,
)
from seats.agencies.models import Agency, AgencyZone, Upline
from seats.agencies.queries.agencies import zones_of
from seats.agencies.queries.limits import require_near
from seats.cutoffs.models import CutoffCounter
from seats.signals import agency_added, events_published

TREE = "seats_upline"  # the trigger against cycles takes the same lock


class CodeTaken(Refusal):
    """The agency code is already taken.

    Choose another code.
    """

    code = "code_taken"
    kind = Kind.CONFLICT


class BadAgency(Refusal):
    """The agency code or its currency is not valid.

    Use A-Z, 0-9, _ and - for the code, and an ISO 4217 code for the currency.
    """

    code = "bad_agency"


class UnknownZone(Refusal):
    """The time zone does not exist.

    Use an IANA name such as America/New_York.
    """

    code = "unknown_zone"


class ZoneChangesWithAMonth(Refusal):
    """The time zone cannot change on this date.

    Choose the first day of a later month; `detail` states the earliest.
    """

    code = "zone_changes_with_a_month"


class UplineCycle(Refusal):
    """The agency would be its own upline.

    Choose an agency outside of its downline.
    """

    code = "upline_cycle"


class UplineOverlap(Refusal):
    """The agency already has an upline recorded from a later date on.

    Choose a later date.
    """

    code = "upline_overlap"


def add_agency(
    *,
    code: str,
    name: str,
    zone: str,
    currency: str,
    now: datetime,
    actor: str,
    upline: Agency | None = None,
    on: date | None = None,
) -> Agency:
    """Create a customer with its time zone and cut-off counter, below `upline` from `on` on.

    `on` is a local date (default: today). Not safe to repeat: the code is then taken.
    Raises CodeTaken, BadAgency, UnknownZone, TooFarAhead, UplineCycle.
    """
    require_zone(zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    try:
        with transaction.atomic():
            if upline:
                lock_name(TREE)
            agency = Agency.objects.create(
                code=code, name=name, currency=currency, created_at=now
            )
            AgencyZone.objects.create(
                agency=agency, zone=zone, starts_on=month_of(today), recorded_at=now
            )
            CutoffCounter.objects.create(agency=agency)
            agency_added.send(Agency, agency=agency, now=now)
            added = AgencyAdded(
                agency_id=agency.pk,
                subject=f"agency:{code}",
                code=code,
                currency=currency,
                timezone=zone,
                name=name,
                actor=actor,
            )
            events_published.send(Agency, events=[added], now=now)
            if upline:
                set_upline(
                    agency=agency, upline=upline, on=on or today, now=now, actor=actor
                )
    except IntegrityError as error:
        raise _refusal_for(error, code) from error
    return agency


def set_upline(
    *, agency: Agency, upline: Agency | None, on: date, now: datetime, actor: str
) -> None:
    """Put an agency below another agency, or below nobody, from a date on.

    The tree is locked until the commit, so concurrent moves wait for one another. `on`
    is a local date of the agency. Repeating is harmless. Raises UplineCycle,
    TooFarAhead, and UplineOverlap if a later change is already recorded.
    """
    require_near(on, agency_ids=[agency.pk], now=now, field="on")
    try:
        with transaction.atomic():
            lock_name(TREE)
            current = Upline.objects.select_for_update().filter(
                agency=agency, ends_on__isnull=True
            )
            for edge in current:
                if edge.starts_on >= on:
                    edge.delete()
                else:
                    edge.ends_on = on
                    edge.save(update_fields=["ends_on"])
            if upline:
                Upline.objects.create(agency=agency, upline=upline, starts_on=on)
            changed = AgencyUplineChanged(
                agency_id=agency.pk,
                subject=f"agency:{agency.code}",
                code=agency.code,
                upline=upline.code if upline else None,
                on=on,
                actor=actor,
            )
            events_published.send(Agency, events=[changed], now=now)
    except IntegrityError as error:
        raise _refusal_for(error, agency.code) from error


def change_zone(
    *, agency: Agency, zone: str, starts_on: date, now: datetime, actor: str
) -> None:
    """Change the time zone of an agency from the first day of a future month on.

    Not safe to repeat: the month then has a zone. Raises UnknownZone,
    ZoneChangesWithAMonth, TooFarAhead.
    """
    require_zone(zone)
    require_near(starts_on, agency_ids=[agency.pk], now=now, field="starts_on")
    with transaction.atomic():
        zones = zones_of([agency.pk])[agency.pk]
        earliest = next_month(month_of(local_date(now, zones)))
        if starts_on.day != 1 or starts_on < max(earliest, zones[-1].starts_on):
            raise ZoneChangesWithAMonth(
                f"The time zone cannot change on {starts_on}. Choose the first day of a"
                f" month, {max(earliest, zones[-1].starts_on)} or later.",
                field="starts_on",
            )
        try:
            AgencyZone.objects.create(
                agency=agency, zone=zone, starts_on=starts_on, recorded_at=now
            )
        except IntegrityError as error:
            raise ZoneChangesWithAMonth(
                f"A time zone from {starts_on} on is already recorded for"
                f" {agency.code}. Choose a later month.",
                field="starts_on",
            ) from error
        changed = AgencyZoneChanged(
            agency_id=agency.pk,
            subject=f"agency:{agency.code}",
            code=agency.code,
            timezone=zone,
            starts_on=starts_on,
            actor=actor,
        )
        events_published.send(Agency, events=[changed], now=now)


def require_zone(zone: str) -> None:
    """Refuse a name that is not an IANA time zone. Raises UnknownZone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(
            f"{shown(zone)} is not a time zone. Use an IANA name such as"
            " America/New_York.",
            field="timezone",
        ) from error


def _refusal_for(error: IntegrityError, code: str) -> Refusal:
    """The refusal for a violated constraint."""
    text = str(error)
    if "upline_makes_no_cycle" in text:
        return UplineCycle(
            f"{shown(code)} would be its own upline. Choose an agency outside of its"
            " downline.",
            field="upline",
        )
    if "one_upline_per_agency_and_date" in text or "upline_edge" in text:
        return UplineOverlap(
            f"{shown(code)} has an upline recorded from a later date on. Choose a date"
            " after it.",
            field="on",
        )
    if "seats_agency_code" in text:
        return CodeTaken(
            f"Agency code {shown(code)} is already taken. Choose another code.",
            field="code",
        )
    return BadAgency(
        f"Agency code {shown(code)} or its currency is invalid. Use A-Z, 0-9, _ and - for"
        " the code, and an ISO 4217 code such as USD for the currency.",
        field="code",
    )
