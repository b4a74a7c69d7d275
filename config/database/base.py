"""Django's PostgreSQL backend with time limits for waiting.

The embedded server is started on the first connection.
"""

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base, operations
from psycopg import errors

from config.database.origins import send_origin, without_origin
from config.database.patience import patience, waiting_at_most
from config.services import ensure_postgres

HEALTH_SECONDS = 2  # to check a persistent connection before it is used again
# Requests do not try to connect for this many seconds after a connection timed out.
PAUSE = 5.0


class DatabaseOperations(operations.DatabaseOperations):
    """Logs of queries have the statements alone."""

    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> str:
        return without_origin(super().last_executed_query(cursor, sql, params))


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL; `OPTIONS["embedded"]` marks the server of this checkout.

    Within `waiting_at_most`, a statement or a connection without a timely response
    raises OperationalError, and the connection is closed.
    """

    ops_class = DatabaseOperations
    _resumes_at: dict[str, float] = {}  # by alias, for all threads

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(send_origin)

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params.pop("embedded", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        seconds = patience()
        if seconds is not None:
            if time.monotonic() < self._resumes_at.get(self.alias, 0):
                raise psycopg.OperationalError(
                    "The database did not respond a moment ago."
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
        """Whether a persistent connection still responds within HEALTH_SECONDS."""
        with waiting_at_most(HEALTH_SECONDS):
            return bool(super().is_usable())


def _limit_waiting(connection: Any) -> None:
    """Apply the thread's time limit to everything that the connection waits for."""
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
                f"The database did not respond within {seconds:g} seconds."
            ) from error

    connection.wait = wait
