"""How many random histories a law plays: few in the core, as many as asked for by hand."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

THOROUGH = "LAW_EXAMPLES" in os.environ


def examples(usual: int, **more: Any) -> settings:
    """`usual` histories, the same in each run; LAW_EXAMPLES asks for others, and more."""
    return settings(
        max_examples=int(os.environ.get("LAW_EXAMPLES", usual)),
        deadline=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
        **more,
    )
