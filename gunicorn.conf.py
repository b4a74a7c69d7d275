"""How gunicorn runs where nothing else is said; it reads this from where it starts."""

import gc
from importlib import import_module
from typing import Any

worker_class = "config.web.BufferedWorker"
threads = 4  # besides those that answer `authorize`
keepalive = 75  # seconds; dialers come again and again
control_socket_disable = True  # one file for all servers of a user


def post_worker_init(worker: Any) -> None:
    """Import and make what the first requests would; never look for garbage in that.

    A full collection goes through it while every thread waits, for 60 ms.
    """
    import_module("config.urls")
    import_module("config.http.views").prepare()
    gc.collect()
    gc.freeze()
