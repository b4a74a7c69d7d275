"""System checks of a deployment, for `manage.py check --database default`."""

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
    """Require PostgreSQL 18, and an application role that cannot bypass the guards."""
    return problems_of("default") if "default" in (databases or ()) else []


def problems_of(alias: str) -> list[CheckMessage]:
    """The problems of a database connection of the application."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, rolsuper,"
            " EXISTS (SELECT FROM pg_tables"
            "         WHERE schemaname = current_schema()"
            "           AND pg_has_role(current_user, tableowner, 'MEMBER'))"
            " FROM pg_roles WHERE rolname = current_user"
        )
        version, is_super, is_owner = cursor.fetchone()
    problems: list[CheckMessage] = []
    if version < POSTGRES:
        problems.append(
            Error(
                f"The server is PostgreSQL {version}; PostgreSQL {POSTGRES} is required.",
                hint="Upgrade the server, or point DATABASE_URL at another one.",
                id="config.E001",
            )
        )
    if is_super or is_owner:
        problems.append(
            Error(
                "The database role of the application owns tables or is a superuser.",
                hint="Use a separate role in DATABASE_URL; only the role in"
                " DATABASE_OWNER_URL, which runs migrations, may own tables.",
                id="config.E002",
            )
        )
    return problems


@register()
def check_urls(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Require that both connections use the embedded server, or neither does."""
    kinds = {
        settings.DATABASES[alias]["OPTIONS"]["embedded"]
        for alias in ("default", "owner")
    }
    if len(kinds) == 1:
        return []
    return [
        Error(
            "Only one of DATABASE_URL and DATABASE_OWNER_URL is set. Set both, or neither.",
            id="config.E003",
        )
    ]


@register(Tags.database)
def check_webhook_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Require the key of stored secrets: all machines that share a database need it."""
    embedded = settings.DATABASES["default"]["OPTIONS"]["embedded"]
    selected = "default" in (databases or ())
    if not selected or embedded or os.environ.get("WEBHOOK_SECRETS_KEY"):
        return []
    return [
        Error(
            "WEBHOOK_SECRETS_KEY is not set.",
            hint="Set it to the same long random text on every machine, and keep it apart"
            " from the backups of the database.",
            id="config.E004",
        )
    ]


@register(Tags.database)
def check_secret_key(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Require SECRET_KEY: sessions signed on one machine must be valid on every other."""
    embedded = settings.DATABASES["default"]["OPTIONS"]["embedded"]
    selected = "default" in (databases or ())
    if not selected or embedded or os.environ.get("SECRET_KEY"):
        return []
    return [
        Error(
            "SECRET_KEY is not set.",
            hint="Set it to the same long random text on every machine.",
            id="config.E005",
        )
    ]
