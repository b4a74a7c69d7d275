"""Wake a sweep before its next scheduled run.

The rows are the queue, so a lost message only delays work until the next run.
"""

import logging
from functools import partial
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

TIMEOUT = 0.3  # seconds for each step of one attempt
FAIL_FAST = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "retry_on_timeout": False,
    "max_retries": 0,
}
log = logging.getLogger(__name__)


def ring(task: Any) -> None:
    """Start a sweep's task once the current transaction has committed.

    Without a broker this gives up within about a second and logs a warning: the schedule
    runs the same sweep anyway. Never raises; repeating is harmless.
    """
    transaction.on_commit(partial(_ring, task), robust=True)


def _ring(task: Any) -> None:
    options = {**task.app.conf.broker_transport_options, **FAIL_FAST}
    with task.app.connection_for_write(transport_options=options) as connection:
        try:
            task.apply_async(connection=connection, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("The broker did not accept task %s: %s", task.name, error)
