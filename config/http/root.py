"""The bare address: sends everybody to the site that is theirs."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from seats.members.models import User


@require_safe
def root_view(request: HttpRequest) -> HttpResponse:
    """Staff go to the staff site, members to that of agencies, others to log in."""
    user = request.user
    if not isinstance(user, User):
        return redirect_to_login("/")
    return redirect("admin:index" if user.is_staff else "agency:index")
