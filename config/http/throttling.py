"""How many requests a key has in a minute: granted by the broker, in small shares."""

import time
from threading import Lock
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.http.limits import GRANT, Limit, broker, client_address
from seats.keys.models import ApiKey

if TYPE_CHECKING:  # views import what the settings name, and that is this
    from rest_framework.views import APIView

WINDOW = 60  # seconds
# A process asks for one request in so many of a window, but for one at least.
SHARES = 500


class KeyThrottle(BaseThrottle):
    """A fixed window for each key, or address of a caller without one.

    Without the broker no key waits; addresses are then counted by each process.

    A view may name the setting that says how many requests of its kind a window has.
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
    """What this process was granted of a window and has not used yet."""

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
        """Change what is left, unless that would be less than nothing."""
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


def may_be_refused_again(request: Request) -> bool:
    """Whether a caller still gets to know why; requests refused early count here.

    A good key at the same address is never counted and never affected.
    """
    return _refusals.take(caller_of(request), settings.API_REFUSALS_A_MINUTE)


_grants = Grants()
_refusals = Limit("refused", WINDOW)
_strangers = Limit("without-key", WINDOW)
