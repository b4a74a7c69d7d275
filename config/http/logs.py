"""What the log says of refused requests, and while a server is away."""

import logging
import re

import redis
from kombu.exceptions import OperationalError as BrokerError

from config.http.outages import is_outage

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# Pages whose address is the key to them, with the key.
LINKS = re.compile(r"(/accounts/(?:invitations|password/reset/key)/)[^/\s]+")
SERVER_ERRORS = 500  # the lowest status of them
BROKER_OUTAGES = (BrokerError, redis.ConnectionError, redis.TimeoutError)


class WithoutLinks(logging.Filter):
    """Leaves out the keys of mailed links, which may still be good when one is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if LINKS.search(message):
            record.msg, record.args = LINKS.sub(r"\1[key]", message), None
        return True


class OneLine(logging.Filter):
    """Escapes line breaks in messages, so that nobody writes lines of their own.

    Django writes what was asked for into some of its messages. Tracebacks stay as
    they are.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if CONTROL.search(message):
            record.msg, record.args = CONTROL.sub(_escaped, message), None
        return True


def _escaped(character: re.Match[str]) -> str:
    return repr(character[0])[1:-1]


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
