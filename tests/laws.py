"""How many random histories the laws play.

CI plays as many as a test names, and `make test` a quarter (LAW_SHARE); LAW_EXAMPLES asks
for other histories, and more.
"""

import os
from collections.abc import Iterable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

THOROUGH = "LAW_EXAMPLES" in os.environ
SHARE = int(os.environ.get("LAW_SHARE", "1"))  # the n-th part; 1 is everything
FEWEST = 2
Case = TypeVar("Case")


def examples(usual: int, **more: Any) -> settings:
    """`usual` histories, the same in each run, or as many as the environment asks for."""
    share = max(usual // SHARE, FEWEST)
    return settings(
        max_examples=int(os.environ.get("LAW_EXAMPLES", share)),
        deadline=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def share_of(histories: Iterable[Case]) -> list[Case]:
    """The histories to play: all, or every n-th of them."""
    return list(histories)[::SHARE]
