"""The worker application and the whole schedule as one table.

Redis is a doorbell: a task carries a row id or nothing, and beat only wakes
sweeps, so a lost or doubled message costs one tick.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("dialer-billing")
app.config_from_object("config.celeryconfig")
app.autodiscover_tasks(["billing"])
