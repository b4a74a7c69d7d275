"""Password log-in with limits on failed attempts."""

from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from config.http.limits import Limit, client_address
from seats.members.models import canonical_email
from seats.models import User

WINDOW = 15 * 60  # seconds


class TooManyAttempts(Exception):
    """Too many failed log-ins; try again after `wait` seconds."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        minutes = -(-wait // 60)
        super().__init__(
            "Too many failed log-in attempts."
            f" Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        )


class ThrottledBackend(ModelBackend):
    """Limits failed log-ins before it hashes the password, which is expensive.

    Wrong passwords count for the account at one address, for the account, and for the
    address; right ones do not count. Raises TooManyAttempts.
    """

    _both = Limit("login-account-address", WINDOW)
    _account = Limit("login-account", WINDOW)
    _address = Limit("login-address", WINDOW)

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        email = username or kwargs.get("email")
        if not email or password is None:
            return None
        taken = self._take(canonical_email(email), request)
        user = super().authenticate(request, username=email, password=password)
        if user is not None:
            for limit, who in taken:
                limit.give_back(who)
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        return await sync_to_async(self.authenticate)(
            request, username, password, **kwargs
        )

    def _take(self, email: str, request: HttpRequest | None) -> list[tuple[Limit, str]]:
        address = client_address(request) if request else ""
        wanted = [
            (self._both, f"{email} {address}", settings.LOGIN["ACCOUNT_AT_ADDRESS"]),
            (self._account, email, settings.LOGIN["ACCOUNT"]),
            (self._address, address, settings.LOGIN["ADDRESS"]),
        ]
        taken: list[tuple[Limit, str]] = []
        for limit, who, most in wanted:
            if not limit.take(who, most):
                for earlier, name in taken:
                    earlier.give_back(name)
                raise TooManyAttempts(limit.wait())
            taken.append((limit, who))
        return taken
