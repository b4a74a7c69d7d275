"""A secret, and the one before it, which counts for a while. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Secrets:
    """`before` counts until, without, `until`."""

    current: str
    before: str = ""
    until: datetime | None = None

    def at(self, now: datetime) -> Sequence[str]:
        """Those that count at an instant, the current one first."""
        if self.before and self.until and now < self.until:
            return [self.current, self.before]
        return [self.current]
