"""Reading whom support acts as, and whether it may make changes."""

from datetime import datetime

from seats.members.models import Member, User
from seats.support.models import SupportAccess, SupportSession

PERMISSION = "seats.add_supportsession"


def running_session(*, pk: int, staff: User) -> SupportSession | None:
    """The session that this staff user began and did not end, with its people."""
    rows = SupportSession.objects.select_related("user", "staff", "agency")
    return rows.filter(pk=pk, staff=staff, ended_at=None).first()


def may_go_on(session: SupportSession) -> bool:
    """Whether its people are still who they were: staff who may, and a member."""
    staff, user = session.staff, session.user
    if not (staff.is_active and staff.is_staff and staff.has_perm(PERMISSION)):
        return False
    return is_member_to_act_as(user, agency_id=session.agency_id)


def is_member_to_act_as(user: User, *, agency_id: int) -> bool:
    """Whether the user is an active member of the agency, and not staff."""
    if user.is_staff or user.is_superuser or not user.is_active:
        return False
    return Member.objects.filter(user=user, agency=agency_id).exists()


def may_change(*, agency_id: int, now: datetime) -> bool:
    """Whether an owner of the agency allows support to make changes at `now`."""
    rows = SupportAccess.objects.filter(agency=agency_id, ended_at=None, until__gt=now)
    return rows.exists()
