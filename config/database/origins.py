"""Sends with each statement that writes from where the change comes; see `core.audit`.

The setting `audit.origin` is sent in the same message as the statement, so it costs no
round trip, and lasts until the end of the transaction: a pooled connection takes nothing
along to the next request.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from psycopg import sql as psycopg_sql

from core.audit import Origin, origin

# `FOR UPDATE` locks, and is followed by no table.
WRITES = re.compile(r'\b(?:INSERT INTO|DELETE FROM|MERGE INTO|UPDATE(?=\s+["a-z]))')
END = "; /* of audit.origin */ "


def send_origin(
    execute: Callable[..., Any],
    sql: Any,
    params: Any,
    many: bool,  # noqa: FBT001
    context: Any,
) -> Any:
    """Execute a statement, after the setting if it writes. A wrapper of Django's."""
    source = origin()
    if source is None or not isinstance(sql, str) or not writes(sql):
        return execute(sql, params, many, context)
    setting = _setting(source)
    if many:  # its results are counted, so the setting goes before
        context["cursor"].execute(setting)
        return execute(sql, params, many, context)
    if params is not None:  # whatever it contains is no placeholder
        setting = setting.replace("%", "%%")
    result = execute(f"{setting}{END}{sql}", params, many, context)
    context["cursor"].nextset()  # the rows of the statement follow those of the setting
    return result


def without_origin(sql: str) -> str:
    """A statement as it was before its setting, for logs of queries."""
    _, end, statement = sql.partition(END)
    return statement if end else sql


def writes(sql: str) -> bool:
    """Whether a statement of the house may change rows."""
    return not sql.startswith("SELECT") and WRITES.search(sql) is not None


@lru_cache(maxsize=256)
def _setting(source: Origin) -> str:
    text = psycopg_sql.quote(source.text())  # by libpq, for any connection
    return f"SELECT set_config('audit.origin', {text}, true)"
