"""Admin sites leave log-in and passwords to the pages below /accounts/."""

from typing import Any

from allauth.account.utils import get_next_redirect_url
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def use_accounts(site: AdminSite) -> None:
    """Send the log-in and the change of password of a site to those of accounts.

    Whoever is logged in and may not use the site gets 403, not the log-in page again.
    """

    def login(
        request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        following = get_next_redirect_url(request) or f"/{site.name}/"
        if not request.user.is_authenticated:
            return redirect_to_login(following)
        if not site.has_permission(request):
            raise PermissionDenied
        return redirect(following)

    def password_change(
        request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")

    site.login = login  # type: ignore[method-assign]
    site.password_change = password_change  # type: ignore[method-assign, assignment]
