"""The database backend: Django's own for PostgreSQL, and a server that may start."""

from typing import Any

from django.db.backends.postgresql import base

from config.services import ensure_postgres


class DatabaseWrapper(base.DatabaseWrapper):
    """`OPTIONS["embedded"]` says that the server is this checkout's own."""

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params.pop("embedded", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.settings_dict["OPTIONS"].get("embedded"):
            ensure_postgres()
        return super().get_new_connection(conn_params)
