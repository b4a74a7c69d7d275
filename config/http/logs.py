"""What the log says of refused requests, and while a server is away."""

import logging

import redis
from kombu.exceptions import OperationalError as BrokerError

from config.http.outages import is_outage

SERVER_ERRORS = 500  # the lowest status of them
BROKER_OUTAGES = (BrokerError, redis.ConnectionError, redis.TimeoutError)


class OneLineForRefusals(logging.Filter):
    """Drops tracebacks of client errors; forged host headers would fill the disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if record.name.startswith("django.security.") or (
            status and status < SERVER_ERRORS
        ):
            record.exc_info = record.exc_text = None
        return True


class OneLineForOutages(logging.Filter):
    """Replaces the traceback of what failed while the database or broker was away.

    Every sweep fails then, and where it was when it failed does not matter.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name.startswith("celery"):  # wraps what its connections raise
            while error and not _is_outage(error):
                error = error.__cause__ or error.__context__
        if error is None or not _is_outage(error):
            return True
        message, name = record.getMessage().partition("\n")[0], type(error).__name__
        if name not in message:
            reason = str(error).strip().partition("\n")[0]
            message = f"{message}: {name}: {reason}"
        record.msg, record.args = message, None
        record.exc_info = record.exc_text = None
        return True


def _is_outage(error: BaseException) -> bool:
    return is_outage(error) or isinstance(error, BROKER_OUTAGES)
