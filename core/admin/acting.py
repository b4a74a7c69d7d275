"""Whether somebody of the platform acts as the user of a request."""

from django.http import HttpRequest


def acting_staff(request: HttpRequest) -> int | None:
    """The id of the staff user who acts as the user of this request; None: nobody.

    `request.acting` is the running session of support. On pages of the staff user's
    own, that user is the user.
    """
    acting = getattr(request, "acting", None)
    if acting is None or acting.user_id != request.user.pk:
        return None
    return int(acting.staff_id)
