"""Reading users."""

from seats.members.models import User


def staff_addresses() -> list[str]:
    """The e-mail addresses of all active staff of the platform, sorted."""
    staff = User.objects.filter(is_staff=True, is_active=True)
    return list(staff.order_by("email").values_list("email", flat=True))
