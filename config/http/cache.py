"""Django's cache at the broker, shared by all processes; without it, one per process."""

import json
from typing import Any

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache

from config.http.limits import broker


class BrokerCache(LocMemCache):
    """Values that JSON can hold, at the broker.

    While the broker is down each process keeps its own, as `Limit` counts by itself.
    """

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(name or "broker", params)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Store a value unless there is one, atomically; whether it was stored."""
        slot, lasts = self.make_key(key, version), self._lasts(timeout)
        try:
            return bool(
                broker.call(lambda c: c.set(slot, json.dumps(value), px=lasts, nx=True))
            )
        except redis.RedisError:
            return super().add(key, value, timeout, version)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        slot = self.make_key(key, version)
        try:
            text: Any = broker.call(lambda c: c.get(slot))
        except redis.RedisError:
            return super().get(key, default, version)
        return default if text is None else json.loads(text)

    def set(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        slot, lasts = self.make_key(key, version), self._lasts(timeout)
        try:
            broker.call(lambda c: c.set(slot, json.dumps(value), px=lasts))
        except redis.RedisError:
            super().set(key, value, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        slot = self.make_key(key, version)
        try:
            return bool(broker.call(lambda c: c.delete(slot)))
        except redis.RedisError:
            return super().delete(key, version)

    def make_key(self, key: Any, version: int | None = None) -> str:
        return f"cache:{super().make_key(key, version)}"

    def _lasts(self, timeout: Any) -> int | None:
        """Milliseconds; None: for ever."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else max(int(seconds * 1000), 1)
