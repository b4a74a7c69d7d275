"""What pages of the site for agencies read, on both sides of the second wall.

A GET of that site reads as a member throughout. Of a POST that is what chooses and shows
rows; what it does runs as the application, since services write.
"""

from contextlib import AbstractContextManager, nullcontext

from django.http import HttpRequest


def shown_to(request: HttpRequest) -> AbstractContextManager[None]:
    """Read what is shown to the person; on the site of staff, as anything else."""
    rights = getattr(request, "member_rights", None)
    return nullcontext() if rights is None else rights()
