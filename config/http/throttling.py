"""How many requests a key has in a minute, counted atomically by the broker."""

import time
from functools import lru_cache
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
COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class KeyThrottle(BaseThrottle):
    """A fixed window for each key, or address. Without the broker nobody waits.

    A view may name the setting that says how many requests of its kind a window has.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        name = getattr(view, "rate", "API_REQUESTS_A_MINUTE")
        key = request.auth
        who = key.pk if isinstance(key, ApiKey) else self.get_ident(request)
        slot = f"api-rate:{name}:{who}:{int(time.time()) // WINDOW}"
        try:
            count = _count(slot)
        except redis.RedisError:
            return True
        return bool(count <= getattr(settings, name))

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW + 1


def _count(slot: str) -> int:
    return int(_client(settings.REDIS_URL).eval(COUNT, 1, slot, 2 * WINDOW))


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
