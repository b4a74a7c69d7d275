"""Requests per minute and key: granted by the broker, in small shares."""

import time
from threading import Lock
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.http.limits import GRANT, Limit, broker, client_address
from seats.api_keys.models import ApiKey

if TYPE_CHECKING:  # views import what the settings name, and that is this
    from rest_framework.views import APIView

WINDOW = 60  # seconds
# A process is granted a share of 1/SHARES of a window at a time, but at least 1 request.
SHARES = 500


class KeyThrottle(BaseThrottle):
    """A fixed window for each key, or for the address of a caller without a key.

    While the broker is down, keys are not limited, and addresses are counted by each
    process. A view's `rate` names the setting with its limit.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        name = getattr(view, "rate", "API_REQUESTS_A_MINUTE")
        limit, caller = getattr(settings, name), f"{name}:{caller_of(request)}"
        if not isinstance(request.auth, ApiKey):
            return _strangers.take(caller, limit)
        try:
            return _grants.take(caller, int(time.time()) // WINDOW, limit)
        except redis.RedisError:
            return True

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW + 1


class Grants:
    """The requests of the window that this process was granted and has not used."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._window = 0
        self._left: dict[str, int] = {}

    def take(self, who: str, window: int, limit: int) -> bool:
        """Use one request, granted before or now. Raises redis.RedisError."""
        if self._add(who, window, -1):
            return True
        slot = f"api-rate:{who}:{window}"
        granted = broker.run(GRANT, slot, max(limit // SHARES, 1), limit, 2 * WINDOW)
        if granted > 1:
            self._add(who, window, granted - 1)
        return granted > 0

    def _add(self, who: str, window: int, count: int) -> bool:
        """Change the number left; False if it would become negative."""
        with self._lock:
            if window != self._window:
                self._window, self._left = window, {}
            left = self._left.get(who, 0) + count
            if left >= 0:
                self._left[who] = left
            return left >= 0


def caller_of(request: Request) -> str:
    """The id of the key, or the address of a caller without one."""
    key = request.auth
    return str(key.pk) if isinstance(key, ApiKey) else client_address(request)


def count_refusal(request: Request) -> bool:
    """Count a request that was refused early; False if the caller had too many.

    A valid key at the same address is never counted and never affected.
    """
    return _refusals.take(caller_of(request), settings.API_REFUSALS_A_MINUTE)


_grants = Grants()
_refusals = Limit("refused", WINDOW)
_strangers = Limit("without-key", WINDOW)
