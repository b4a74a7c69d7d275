"""The database backend: Django's own for PostgreSQL, with limits to waiting.

The embedded server is started when it is first connected to.
"""

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors

from config.database.patience import patience, waiting_at_most
from config.services import ensure_postgres

HEALTH_SECONDS = 2  # for the look at a kept connection before it is used again
# Requests do not try to connect for so long after a server did not answer.
PAUSE = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """`OPTIONS["embedded"]` says that the server is this checkout's own.

    Within `waiting_at_most`, a statement or a connection that is not answered in time
    raises OperationalError, and the connection is closed.
    """

    _resumes_at: dict[str, float] = {}  # by alias, for all threads

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params.pop("embedded", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        seconds = patience()
        if seconds is not None:
            if time.monotonic() < self._resumes_at.get(self.alias, 0):
                raise psycopg.OperationalError(
                    "The database did not answer a moment ago."
                )
            allowed = min(float(conn_params.get("connect_timeout", seconds)), seconds)
            conn_params = {**conn_params, "connect_timeout": max(int(allowed), 1)}
        if self.settings_dict["OPTIONS"].get("embedded"):
            ensure_postgres()
        try:
            connection = super().get_new_connection(conn_params)
        except errors.ConnectionTimeout:
            self._resumes_at[self.alias] = time.monotonic() + PAUSE
            raise
        _limit_waiting(connection)
        return connection

    def is_usable(self) -> bool:
        """Whether a kept connection still answers, and soon."""
        with waiting_at_most(HEALTH_SECONDS):
            return bool(super().is_usable())


def _limit_waiting(connection: Any) -> None:
    """Make everything that the connection waits for end when the thread's limit does."""
    wait_on = connection.wait

    def wait(generator: Any, *args: Any, **kwargs: Any) -> Any:
        seconds = patience()
        if seconds is None:
            return wait_on(generator, *args, **kwargs)
        try:
            return wait_on(generator, *args, **{"timeout": seconds, **kwargs})
        except errors._WaitTimeout as error:
            connection.close()
            raise psycopg.OperationalError(
                f"The database did not answer within {seconds:g} seconds."
            ) from error

    connection.wait = wait
