"""A secret, and the previous one, which is valid for a while. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Secrets:
    """A secret after a rotation: the previous one is valid before `until`."""

    current: str
    before: str = ""
    until: datetime | None = None

    def at(self, now: datetime) -> Sequence[str]:
        """The secrets that are valid at an instant, the current one first."""
        if self.before and self.until and now < self.until:
            return [self.current, self.before]
        return [self.current]
