"""Begin and end to act as a member, and allow support to make changes."""

from datetime import datetime, timedelta

from django.db import transaction

from core.errors import Kind, Refusal
from seats.agencies.models import Agency
from seats.members.models import User
from seats.support.models import (
    LONGEST,
    SupportAccess,
    SupportSession,
    SupportView,
)
from seats.support.queries import is_member_to_act_as

LONGEST_ACCESS = timedelta(days=30)
LONGEST_PATH = 500


class NotAMember(Refusal):
    """Support acts as active members of the agency, and never as staff.

    Choose a member of the agency.
    """

    code = "not_a_member"


class AccessTime(Refusal):
    """Support may be allowed to make changes for 30 days at most.

    Choose a time that is still to come, within 30 days.
    """

    code = "access_time"


class AccessAllowed(Refusal):
    """Support is allowed to make changes at the agency already.

    End that first to choose another time.
    """

    code = "access_allowed"
    kind = Kind.CONFLICT


def start_session(
    *, staff: User, user: User, agency: Agency, reason: str, now: datetime
) -> SupportSession:
    """Let a staff user act as a member for 60 minutes; an earlier session ends.

    Raises NotAMember.
    """
    if not is_member_to_act_as(user, agency_id=agency.pk):
        raise NotAMember(
            f"{user} is no active member of {agency.code}, or is staff. Choose a member.",
            field="user",
        )
    with transaction.atomic():
        for row in SupportSession.objects.filter(staff=staff, ended_at=None):
            end_session(session=row, ending=SupportSession.Ending.ENDED, now=now)
        return SupportSession.objects.create(
            staff=staff,
            user=user,
            agency=agency,
            reason=reason,
            started_at=now,
            expires_at=now + LONGEST,
        )


def end_session(
    *, session: SupportSession, ending: SupportSession.Ending, now: datetime
) -> bool:
    """End a session; False if it had ended. Safe to repeat."""
    if session.expires_at <= now:
        now, ending = session.expires_at, SupportSession.Ending.EXPIRED
    rows = SupportSession.objects.filter(pk=session.pk, ended_at=None)
    return bool(rows.update(ended_at=now, ending=ending))


def record_view(
    *, session: SupportSession, method: str, path: str, http_status: int, now: datetime
) -> None:
    """Record a page that support opened as a member. Not safe to repeat."""
    SupportView.objects.create(
        session=session,
        agency_id=session.agency_id,
        method=method,
        path=path[:LONGEST_PATH],
        http_status=http_status,
        viewed_at=now,
    )


def allow_changes(
    *, agency: Agency, allowed_by: User, until: datetime, now: datetime
) -> SupportAccess:
    """Allow support to make changes as a member of the agency, up to an instant.

    Raises AccessTime, AccessAllowed.
    """
    if not now < until <= now + LONGEST_ACCESS:
        raise AccessTime(
            "Choose a time that is still to come, within 30 days.", field="until"
        )
    with transaction.atomic():
        Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
        running = SupportAccess.objects.filter(agency=agency, ended_at=None)
        running.filter(until__lte=now).update(ended_at=now)
        if running.exists():
            raise AccessAllowed(
                f"Support may make changes at {agency.code} already. End that first to"
                " choose another time.",
                field="agency",
            )
        return SupportAccess.objects.create(
            agency=agency, allowed_by=allowed_by, allowed_at=now, until=until
        )


def end_access(*, access: SupportAccess, now: datetime) -> bool:
    """Support may no longer make changes; False if that had ended. Safe to repeat."""
    rows = SupportAccess.objects.filter(pk=access.pk, ended_at=None)
    return bool(rows.update(ended_at=now))
