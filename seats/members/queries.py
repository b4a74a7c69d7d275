"""Reading users, what they may use, and what a member may do."""

from collections.abc import Collection
from datetime import datetime

from allauth.mfa.models import Authenticator

from seats.access.domain import Membership, Reach
from seats.access.queries import reach_of
from seats.agencies.models import Agency
from seats.members.models import Member, User


def is_member(user: User) -> bool:
    """Whether the user has a role at any agency."""
    return Member.objects.filter(user=user).exists()


def reach_of_user(user: User, *, now: datetime, agency_id: int | None = None) -> Reach:
    """What the user may do at `now`, by the memberships of this moment.

    With `agency_id`, by the membership of that agency alone.
    """
    members = Member.objects.filter(user=user)
    if agency_id is not None:
        members = members.filter(agency=agency_id)
    rows = members.values_list("agency_id", "role", "agent_id")
    return reach_of([Membership(*row) for row in rows], now=now)


def staff_addresses() -> list[str]:
    """The e-mail addresses of all active staff of the platform, sorted."""
    staff = User.objects.filter(is_staff=True, is_active=True)
    return list(staff.order_by("email").values_list("email", flat=True))


def may_use_anything(user: User) -> bool:
    """Whether the user is staff, or a member of any agency."""
    return user.is_staff or Member.objects.filter(user=user).exists()


def is_owner(user: User) -> bool:
    """Whether the user owns any agency."""
    return Member.objects.filter(user=user, role=Member.Role.OWNER).exists()


def agencies_without_owner(members: Collection[Member]) -> list[Agency]:
    """The agencies that would lose their last owner with these members, by code."""
    owners = Member.objects.filter(role=Member.Role.OWNER)
    leaving = owners.filter(pk__in=[member.pk for member in members])
    staying = owners.exclude(pk__in=leaving.values("pk")).values("agency")
    ids = leaving.exclude(agency__in=staying).values("agency")
    return list(Agency.objects.filter(pk__in=ids).order_by("code"))


def users_with_second_factor(users: Collection[User]) -> set[int]:
    """The ids of those who have an authenticator app or a passkey."""
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    rows = Authenticator.objects.filter(user__in=users, type__in=kinds)
    return set(rows.values_list("user_id", flat=True))
