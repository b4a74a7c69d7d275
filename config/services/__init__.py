"""The embedded PostgreSQL and Valkey of a checkout, started on demand.

Used if DATABASE_URL and REDIS_URL are not set. Addresses are derived from the path of
the checkout; nothing starts before the first connection.
"""

from config.services.places import (
    Role,
    ServiceUnavailable,
    archive_folder,
    database_url,
    documents_folder,
    local_secret_key,
    redis_url,
)
from config.services.postgres import MEMBER_ROLE, ensure_postgres, stop_postgres
from config.services.valkey import ensure_redis, stop_redis

__all__ = [
    "MEMBER_ROLE",
    "Role",
    "ServiceUnavailable",
    "archive_folder",
    "database_url",
    "documents_folder",
    "ensure_postgres",
    "ensure_redis",
    "local_secret_key",
    "redis_url",
    "stop_postgres",
    "stop_redis",
]
