"""As which role of the database a thread reads.

The application's role sees every row. Pages for members of agencies read as another
role, to which each table shows what its policy says of the reach of the transaction
(`core/sql/reach.sql`): a second wall behind the pages' own limits. It reads only, and what
no policy allows is not there.
"""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction

from core.postgres.arrays import array_text

ENGINE = "none"  # the role that the connection was opened with


class _Thread(threading.local):
    is_limited = False


_thread = _Thread()


@contextmanager
def member_rights(reach: Mapping[str, Collection[int]]) -> Iterator[None]:
    """Read as members do, within a transaction; `reach` has the ids of each kind.

    Nothing can be written. Within itself it does nothing.
    """
    if _thread.is_limited:
        yield
        return
    values = {f"reach.{kind}": array_text(ids) for kind, ids in reach.items()}
    with transaction.atomic(), _running_as(settings.MEMBER_ROLE, ENGINE, values):
        yield


@contextmanager
def engine_rights() -> Iterator[None]:
    """Read and write as the application, in the midst of what reads as members do.

    The one door in the second wall, for what is computed from rows that a member may not
    see, such as the next invoice. Whoever opens it has checked that the member reaches
    what it computes. Elsewhere it does nothing. As a decorator: for a whole function.
    """
    if not _thread.is_limited:
        yield
        return
    with transaction.atomic(), _running_as(ENGINE, settings.MEMBER_ROLE, {}):
        yield


@contextmanager
def _running_as(role: str, before: str, values: Mapping[str, str]) -> Iterator[None]:
    """Change role and reach until the end of the body; a rollback does so by itself."""
    was_limited = _thread.is_limited
    _set({**values, "role": role})
    _thread.is_limited = role != ENGINE
    try:
        yield
    finally:
        _thread.is_limited = was_limited
    if not connection.needs_rollback:
        _set({"role": before, **dict.fromkeys(values, "")})


def _set(values: Mapping[str, str]) -> None:
    """Change settings for the rest of the transaction, in their order."""
    calls = ", ".join(["set_config(%s, %s, true)"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {calls}", [text for item in values.items() for text in item]
        )
