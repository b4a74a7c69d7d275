"""The worker application; its settings and schedule are in celeryconfig.py.

Redis is a doorbell: a task carries a row id or nothing, and beat only wakes
sweeps, so a lost or doubled message costs one tick.
"""

import os
from typing import Any

from celery import Celery
from django.conf import settings

from config.services import ensure_redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class App(Celery):
    """Starts the embedded broker before the first connection to it."""

    def _connection(self, *args: Any, **kwargs: Any) -> Any:
        if settings.EMBEDDED_REDIS:
            ensure_redis()
        return super()._connection(*args, **kwargs)  # type: ignore[misc]


app = App("dialer-billing")
app.config_from_object("config.celeryconfig")
app.autodiscover_tasks(["billing"])
