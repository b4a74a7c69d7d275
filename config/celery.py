"""The Celery application; its settings and schedule are in celeryconfig.py.

Messages only wake sweeps: a task carries a row id or nothing, so a lost or duplicate
message costs one run of the schedule at most.
"""

import os
from typing import Any

from celery import Celery
from django.conf import settings

from config.services import ensure_redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class App(Celery):
    """Celery that starts the embedded broker before the first connection to it."""

    def _connection(self, *args: Any, **kwargs: Any) -> Any:
        if settings.EMBEDDED_REDIS:
            ensure_redis()
        return super()._connection(*args, **kwargs)  # type: ignore[misc]


app = App("dialer-billing")
app.config_from_object("config.celeryconfig")
app.autodiscover_tasks(["billing"])
