"""Who is who among users."""

from seats.members.models import User


def staff_addresses() -> list[str]:
    """The addresses of the platform's own staff who may log in, in order."""
    staff = User.objects.filter(is_staff=True, is_active=True)
    return list(staff.order_by("email").values_list("email", flat=True))
