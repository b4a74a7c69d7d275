"""Responses while PostgreSQL is down, restarting or out of resources."""

import logging

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError

from config.services import ServiceUnavailable

RETRY_AFTER = 5  # seconds
# Prefixes of SQLSTATE: connection, rollback by the server (deadlock), no resources,
# operator intervention (shutdown, timeouts), and a lock that was not available.
TEMPORARY = ("08", "40", "53", "57", "55P03")
MESSAGE = "The database cannot be reached at the moment. Try again in a few seconds."
PAGE = (
    '<!doctype html><html lang="en"><title>Temporarily unavailable</title>'
    f"<h1>Temporarily unavailable</h1><p>{MESSAGE}"
)
log = logging.getLogger(__name__)


def is_outage(error: BaseException | None) -> bool:
    """Whether the error is an outage of the database: trying again later can help."""
    if isinstance(error, ServiceUnavailable | InterfaceError | psycopg.InterfaceError):
        return True
    if not isinstance(error, DatabaseError | psycopg.DatabaseError):
        return False
    state = _sqlstate(error)
    if state is None:  # the connection was refused or lost
        return isinstance(error, OperationalError | psycopg.OperationalError)
    return state.startswith(TEMPORARY)


def note_outage(error: BaseException, path: str) -> None:
    """Log one line; a traceback would only show where the outage was noticed."""
    first = str(error).strip().partition("\n")[0]
    log.error("Responded 503 to %s: %s: %s", path, type(error).__name__, first)


def _sqlstate(error: BaseException) -> str | None:
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return getattr(cause, "sqlstate", None)
