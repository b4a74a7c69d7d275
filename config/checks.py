"""System checks: what must hold where the service runs. `check --database default`."""

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

POSTGRES = 18


@register(Tags.database)
def check_databases(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """PostgreSQL 18, and a role that could not tamper if it wanted to."""
    return problems_of("default") if "default" in (databases or ()) else []


def problems_of(alias: str) -> list[CheckMessage]:
    """What is wrong with a connection that the application would use."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, rolsuper,"
            " EXISTS (SELECT FROM pg_tables"
            "         WHERE schemaname = current_schema()"
            "           AND pg_has_role(current_user, tableowner, 'MEMBER'))"
            " FROM pg_roles WHERE rolname = current_user"
        )
        version, is_super, is_owner = cursor.fetchone()
    found: list[CheckMessage] = []
    if version < POSTGRES:
        found.append(Error(f"PostgreSQL {POSTGRES} is needed.", id="config.E001"))
    if is_super or is_owner:
        found.append(
            Error(
                "The application's role owns tables or is a superuser.",
                hint="Give DATABASE_URL a role of its own; only migrations own tables.",
                id="config.E002",
            )
        )
    return found


@register()
def check_urls(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Both databases are the embedded one, or neither is."""
    kinds = {
        settings.DATABASES[alias]["OPTIONS"]["embedded"]
        for alias in ("default", "owner")
    }
    if len(kinds) == 1:
        return []
    return [
        Error(
            "Set both DATABASE_URL and DATABASE_OWNER_URL, or neither.",
            id="config.E003",
        )
    ]


@register(Tags.database)
def check_webhook_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Several machines share one database, so they must share the key as well."""
    embedded = settings.DATABASES["default"]["OPTIONS"]["embedded"]
    asked = "default" in (databases or ())
    if not asked or embedded or os.environ.get("WEBHOOK_SECRETS_KEY"):
        return []
    return [
        Error(
            "Set WEBHOOK_SECRETS_KEY, and keep it apart from the database's backups.",
            id="config.E004",
        )
    ]


@register(Tags.database)
def check_secret_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Sessions signed on one machine must be valid on every other."""
    embedded = settings.DATABASES["default"]["OPTIONS"]["embedded"]
    selected = "default" in (databases or ())
    if not selected or embedded or os.environ.get("SECRET_KEY"):
        return []
    return [
        Error(
            "Set SECRET_KEY to the same long random text on every machine.",
            id="config.E005",
        )
    ]
