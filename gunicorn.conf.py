"""How gunicorn runs where nothing else is said; it reads this from where it starts."""

import gc
from importlib import import_module
from typing import Any

worker_class = "gthread"
threads = 4  # a slow download holds up no dialer
keepalive = 75  # seconds; dialers come again and again
control_socket_disable = True  # one file for all servers of a user


def post_worker_init(worker: Any) -> None:
    """Import what the first request would, and never look for garbage in all that.

    A full collection goes through it while every thread waits, for 60 ms.
    """
    import_module("config.urls")
    gc.collect()
    gc.freeze()
