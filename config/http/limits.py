"""Rate limits in fixed windows of time, counted by the broker."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Lock
from typing import TypeVar

import redis
from django.conf import settings
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")
PATIENCE = 0.25  # seconds
# A broker that did not respond is not called for this long, so that nobody waits for it.
PAUSE = 5.0
# Grants at most what is left of a window, atomically.
GRANT = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
local granted = math.max(math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used), 0)
redis.call('INCRBY', KEYS[1], granted)
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return granted
"""
RETURN = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used > 0 then redis.call('DECR', KEYS[1]) end
return used
"""


class Broker:
    """Speaks to the broker with short timeouts and a pause after a failure."""

    def __init__(self) -> None:
        self._resumes_at: dict[str, float] = {}

    def run(self, script: str, slot: str, *arguments: int) -> int:
        """Run a script. Raises redis.RedisError, at once during the pause."""
        return int(self.call(lambda client: client.eval(script, 1, slot, *arguments)))

    def call(self, work: Callable[[redis.Redis], T]) -> T:
        """Call a function with the client. Raises redis.RedisError, as `run` does."""
        url = settings.REDIS_URL
        if time.monotonic() < self._resumes_at.get(url, 0):
            raise redis.ConnectionError("The broker did not respond a moment ago.")
        try:
            return work(client_of(url))
        except redis.RedisError:
            self._resumes_at[url] = time.monotonic() + PAUSE
            raise


broker = Broker()


class Limit:
    """A limit of uses per caller in a fixed window of time.

    Atomic across processes. While the broker is down, each process counts by itself.
    """

    MOST_LOCAL = 100_000

    def __init__(self, name: str, seconds: int) -> None:
        self.name = name
        self.seconds = seconds
        self._lock = Lock()
        self._window = 0
        self._local: Counter[str] = Counter()

    def take(self, who: str, limit: int) -> bool:
        """Use one of the window's uses; False if none is left."""
        window = self._current()
        try:
            taken = broker.run(GRANT, self._slot(who, window), 1, limit, self.seconds)
        except redis.RedisError:
            return self._take_locally(who, limit, window)
        return taken > 0

    def give_back(self, who: str) -> None:
        """Return a use that was taken, so that it does not count."""
        window = self._current()
        try:
            broker.run(RETURN, self._slot(who, window))
        except redis.RedisError:
            with self._lock:
                self._local[who] = max(self._local[who] - 1, 0)

    def wait(self) -> int:
        """Seconds until the next window begins."""
        return self.seconds - int(time.time()) % self.seconds + 1

    def _current(self) -> int:
        return int(time.time()) // self.seconds

    def _slot(self, who: str, window: int) -> str:
        """The key at the broker; a digest, because callers may be e-mail addresses."""
        digest = hashlib.sha256(who.encode(errors="replace")).hexdigest()[:32]
        return f"limit:{self.name}:{digest}:{window}"

    def _take_locally(self, who: str, limit: int, window: int) -> bool:
        with self._lock:
            if window != self._window or len(self._local) > self.MOST_LOCAL:
                self._window, self._local = window, Counter()
            if self._local[who] >= limit:
                return False
            self._local[who] += 1
            return True


def client_address(request: HttpRequest) -> str:
    """The client's IPv4 address, or the /64 network of its IPv6 address.

    Of `X-Forwarded-For`, only the part written by TRUSTED_PROXIES is used.
    """
    address = _forwarded(request)
    parsed = _parsed(address)
    if parsed is None:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def whole_address(request: HttpRequest) -> str:
    """The client's IP address as `client_address` finds it; 0.0.0.0 if it is none."""
    return str(_parsed(_forwarded(request)) or "0.0.0.0")


def _forwarded(request: HttpRequest) -> str:
    address = str(request.META.get("REMOTE_ADDR", ""))
    proxies = settings.TRUSTED_PROXIES
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if proxies and forwarded:
        hops = [hop.strip() for hop in forwarded.split(",")]
        address = hops[-min(proxies, len(hops))]
    return address


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address, as IPv4 where IPv6 only wraps it; None if it is none."""
    try:
        parsed = ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed


@lru_cache(maxsize=8)
def client_of(url: str) -> redis.Redis:
    """A client with persistent connections; it may be shared by threads.

    Celery writes socket URLs as redis+socket://, the redis library as unix://.
    """
    return redis.Redis.from_url(
        url.replace("redis+socket://", "unix://").partition("?")[0],
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
