"""How many requests a key has in a minute: granted by the broker, in small shares."""

import time
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from seats.keys.models import ApiKey

if TYPE_CHECKING:  # views import what the settings name, and that is this
    from rest_framework.views import APIView

WINDOW = 60  # seconds
PATIENCE = 0.5
# A process asks for one request in so many of a window, but for one at least.
SHARES = 500
# What is granted in a window never exceeds its limit, whoever asks for it.
GRANT = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
local granted = math.max(math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used), 0)
redis.call('INCRBY', KEYS[1], granted)
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return granted
"""


class KeyThrottle(BaseThrottle):
    """A fixed window for each key, or address. Without the broker nobody waits.

    A view may name the setting that says how many requests of its kind a window has.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        name = getattr(view, "rate", "API_REQUESTS_A_MINUTE")
        key = request.auth
        who = key.pk if isinstance(key, ApiKey) else self.get_ident(request)
        window = int(time.time()) // WINDOW
        try:
            return _grants.take(f"{name}:{who}", window, getattr(settings, name))
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
        granted = _grant(f"api-rate:{who}:{window}", max(limit // SHARES, 1), limit)
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


_grants = Grants()


def _grant(slot: str, wanted: int, limit: int) -> int:
    client = _client(settings.REDIS_URL)
    return int(client.eval(GRANT, 1, slot, wanted, limit, 2 * WINDOW))


@lru_cache(maxsize=8)
def _client(url: str) -> redis.Redis:
    """A client whose connections are kept; it may be shared by threads.

    The URL is the broker's; only Celery spells a socket with this scheme.
    """
    return redis.Redis.from_url(
        url.replace("redis+socket://", "unix://").partition("?")[0],
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
    )
