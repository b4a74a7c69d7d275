"""What is answered while PostgreSQL is away, restarts or has no room."""

import logging

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError

from config.services import ServiceUnavailable

RETRY_AFTER = 5  # seconds
# Of SQLSTATE: connection, rollback by the server (deadlock), no resources, operator
# intervention (shutdown, timeouts), and a lock that was not to be had.
TEMPORARY = ("08", "40", "53", "57", "55P03")
MESSAGE = "The database cannot be reached at the moment. Try again in a few seconds."
PAGE = (
    '<!doctype html><html lang="en"><title>Temporarily unavailable</title>'
    f"<h1>Temporarily unavailable</h1><p>{MESSAGE}"
)
log = logging.getLogger(__name__)


def is_outage(error: BaseException | None) -> bool:
    """Whether trying again later can help, and nothing else."""
    if isinstance(error, ServiceUnavailable | InterfaceError | psycopg.InterfaceError):
        return True
    if not isinstance(error, DatabaseError | psycopg.DatabaseError):
        return False
    state = _sqlstate(error)
    if state is None:  # the connection was refused or lost
        return isinstance(error, OperationalError | psycopg.OperationalError)
    return state.startswith(TEMPORARY)


def note_outage(error: BaseException, path: str) -> None:
    """One line in the log; a traceback would name only where it was noticed."""
    first = str(error).strip().partition("\n")[0]
    log.error("%s was answered 503: %s: %s", path, type(error).__name__, first)


def _sqlstate(error: BaseException) -> str | None:
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return getattr(cause, "sqlstate", None)
