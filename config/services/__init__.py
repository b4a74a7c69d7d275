"""The embedded PostgreSQL and Valkey: started on demand, shared by a checkout.

Used where DATABASE_URL and REDIS_URL are unset. Addresses are computed from the
checkout's path; nothing starts before the first connection.
"""

from config.services.places import (
    Role,
    ServiceUnavailable,
    archive_folder,
    database_url,
    local_secret_key,
    redis_url,
)
from config.services.postgres import ensure_postgres, stop_postgres
from config.services.valkey import ensure_redis, stop_redis

__all__ = [
    "Role",
    "ServiceUnavailable",
    "archive_folder",
    "database_url",
    "ensure_postgres",
    "ensure_redis",
    "local_secret_key",
    "redis_url",
    "stop_postgres",
    "stop_redis",
]
