"""Waking a sweep before its next turn. The rows are the queue; a lost ring costs a turn."""

import logging
from functools import partial
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

PATIENCE = 0.3  # seconds for each step of one attempt
QUICK = {
    "socket_timeout": PATIENCE,
    "socket_connect_timeout": PATIENCE,
    "retry_on_timeout": False,
    "max_retries": 0,
}
log = logging.getLogger(__name__)


def ring(task: Any) -> None:
    """Wake a sweep once the current transaction has committed.

    Without a broker this gives up within about a second and only logs: the schedule runs
    the same sweep anyway. Never raises; repeating is harmless.
    """
    transaction.on_commit(partial(_ring, task), robust=True)


def _ring(task: Any) -> None:
    options = {**task.app.conf.broker_transport_options, **QUICK}
    with task.app.connection_for_write(transport_options=options) as connection:
        try:
            task.apply_async(connection=connection, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("The broker did not take %s: %s", task.name, error)
