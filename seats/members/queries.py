"""Reading users and what they may use."""

from collections.abc import Collection

from allauth.mfa.models import Authenticator

from seats.members.models import Member, User


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


def users_with_second_factor(users: Collection[User]) -> set[int]:
    """The ids of those who have an authenticator app or a passkey."""
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    rows = Authenticator.objects.filter(user__in=users, type__in=kinds)
    return set(rows.values_list("user_id", flat=True))
