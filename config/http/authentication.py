"""Authentication of API keys, and the permission by scope."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.audit import identify
from seats.api_keys.models import ApiKey
from seats.api_keys.services import bearer_secret, use_key

if TYPE_CHECKING:  # views import what the settings name, and that is this
    from rest_framework.views import APIView


class KeyAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer dk_...`; the key becomes `request.auth`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        secret = bearer_secret(header)
        key = use_key(token=secret, now=timezone.now()) if secret else None
        if key is None:
            raise AuthenticationFailed(
                "The API key is invalid, expired or revoked. Check the Authorization"
                " header."
            )
        identify(key=key.pk)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """Requires the view's `required_scope` (a scope, or one by method); else denies."""

    message = "The API key does not have the scope that this request requires."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        scope = getattr(view, "required_scope", None)
        if isinstance(scope, dict):
            scope = scope.get(request.method)
        key = request.auth
        if scope:
            self.message = f"This request requires an API key with the scope {scope}."
        return isinstance(key, ApiKey) and scope in key.scopes
