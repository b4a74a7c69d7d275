"""System checks of a deployment, for `manage.py check --database default`."""

import os
from collections.abc import Sequence
from typing import Any

import redis
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from config.http.limits import client_of

POSTGRES = 18
SHORTEST_KEY = 20
NAMED = 3  # migrations in a message
# The last commit with the migrations that `0001_initial` replaces.
BEFORE_SQUASH = "fe4808a"


@register(Tags.database)
def check_databases(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Require PostgreSQL 18, a role that cannot bypass the guards, and all migrations."""
    if "default" not in (databases or ()):
        return []
    return [*problems_of("default"), *missing_migrations("default")]


@register(Tags.database)
def check_roles(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Require the role that members read as; `migrate` grants it what they may see."""
    return [problem for alias in databases or () for problem in role_problems(alias)]


def role_problems(alias: str) -> list[CheckMessage]:
    """What the roles of the application lack for row level security, in one server."""
    app, member = settings.DATABASES["default"]["USER"], settings.MEMBER_ROLE
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(member)s"
            "               AND NOT rolsuper AND NOT rolbypassrls),"
            " EXISTS (SELECT FROM pg_roles WHERE rolname = %(app)s"
            "         AND (rolsuper OR rolbypassrls)),"
            " EXISTS (SELECT FROM pg_roles AS app, pg_roles AS member"
            "         WHERE app.rolname = %(app)s AND member.rolname = %(member)s"
            "           AND pg_has_role(app.oid, member.oid, 'SET'))",
            {"app": app, "member": member},
        )
        is_there, sees_all, may_become = cursor.fetchone()
    statements = [
        (is_there, f"CREATE ROLE {member} NOLOGIN;"),
        (may_become, f"GRANT {member} TO {app} WITH INHERIT FALSE, SET TRUE;"),
        (sees_all, f"ALTER ROLE {app} BYPASSRLS;"),
    ]
    missing = [statement for is_done, statement in statements if not is_done]
    if not missing:
        return []
    return [
        Error(
            "The database's roles do not keep agencies apart: pages for members read as"
            f" {member}, which must exist, must see only what policies show it, and must"
            f" be open to {app}, which itself must see every row.",
            hint=f"As a superuser: {' '.join(missing)}",
            id="config.E018",
        )
    ]


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


def missing_migrations(alias: str) -> list[CheckMessage]:
    """Which migrations of this version a database does not have, also among older ones."""
    loader = MigrationLoader(connections[alias])
    plans = map(loader.graph.forwards_plan, loader.graph.leaf_nodes())
    nodes = dict.fromkeys(node for plan in plans for node in plan)
    missing = [
        ".".join(node) for node in nodes if node not in loader.applied_migrations
    ]
    if not missing:
        return []
    count = f"{len(missing)} migration{'s' if len(missing) > 1 else ''}"
    names = ", ".join(missing[:NAMED])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return [
        Error(
            f"The database lacks {count}: {names}{more}.",
            hint="Run `manage.py migrate --database owner`.",
            id="config.E008",
        )
    ]


@register(Tags.database)
def check_migration_history(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Refuse a database with some, but not all, of the migrations that were squashed.

    `migrate` runs this first, and would take such a database for a new one.
    """
    return [problem for alias in databases or () for problem in half_replaced(alias)]


def half_replaced(alias: str) -> list[CheckMessage]:
    """An error for each app whose replaced migrations a database has only in part."""
    applied = set(MigrationRecorder(connections[alias]).applied_migrations())
    problems: list[CheckMessage] = []
    for (app, name), migration in MigrationLoader(None).replacements.items():
        older = {(app, name), *migration.replaces}
        if older.isdisjoint(applied) or applied.issuperset(migration.replaces):
            continue
        newest = max(number for _, number in older & applied)
        problems.append(
            Error(
                f"The database is at {app}.{newest}, which this version cannot migrate.",
                hint=f"Check out {BEFORE_SQUASH}, run `manage.py migrate --database"
                " owner` there, and then migrate with this version.",
                id="config.E015",
            )
        )
    return problems


@register(Tags.database)
def check_broker(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """The broker answers; its URL is not shown, as it may hold a password."""
    if "default" not in (databases or ()) or settings.EMBEDDED_REDIS:
        return []
    try:
        client_of(settings.REDIS_URL).ping()
    except (redis.RedisError, ValueError) as error:
        is_bad_url = isinstance(error, ValueError)
        reason = "not a URL of Redis" if is_bad_url else str(error).partition("\n")[0]
        return [
            Error(
                f"The broker cannot be reached: {reason}",
                hint="Set REDIS_URL to a URL such as redis://host:6379/0.",
                id="config.E009",
            )
        ]
    return []


@register(Tags.database)
def check_archive(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """The archive that was set is there; a share that is not mounted is not made."""
    folder = os.environ.get("BILLING_ARCHIVE_ROOT")
    if "default" not in (databases or ()) or not folder:
        return []
    if os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"BILLING_ARCHIVE_ROOT is {folder!r}, which is not a writable folder.",
            hint="Create or mount it, the same on every machine.",
            id="config.E010",
        )
    ]


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
    is_selected = "default" in (databases or ())
    if not is_selected or embedded:
        return []
    keys = os.environ.get("WEBHOOK_SECRETS_KEY", "")
    if keys and all(len(key) >= SHORTEST_KEY for key in keys.split(",")):
        return []
    return [
        Error(
            "Set WEBHOOK_SECRETS_KEY, and keep it apart from the database's backups.",
            hint=f"Each key in it must have at least {SHORTEST_KEY} characters.",
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


@register(Tags.security, deploy=True)
def check_second_factor(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn if staff and owners may log in with a password alone."""
    if settings.MFA_MANDATORY or settings.DEBUG:
        return []
    return [
        Warning(
            "Staff and owners may log in without a second factor.",
            hint="Leave MFA_MANDATORY out, or set it to 1.",
            id="config.W001",
        )
    ]
