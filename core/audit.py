"""Who changes what: the origin of changes, and how each model keeps its history. Pure.

Triggers record the changes of audited tables, whoever makes them (see
`seats/audit/sql`). What the database cannot see, it is given by `config.database`: the
`Origin` that the doors set here, for as long as a request, a task or a command lasts.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TypeVar

M = TypeVar("M", bound=type)


@dataclass(frozen=True, slots=True)
class Origin:
    """By whom and from where something is changed, and why."""

    actor: int | None = None  # the user who is logged in
    acting_as: int | None = None  # the member whom the actor acts as
    key: int | None = None  # the API key
    process: str = ""  # the task or command
    ip: str | None = None
    path: str = ""
    request: str | None = None  # a UUID
    reason: str = ""

    def text(self) -> str:
        """As JSON that PostgreSQL can read, without what is empty."""
        parts = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(parts).replace("\\u0000", "")


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)
_process: list[Origin] = []  # of threads that no door was opened in


def origin() -> Origin | None:
    """The origin of what is changed now, if a door has set it."""
    return _origin.get() or (_process[0] if _process else None)


@contextmanager
def changes_from(source: Origin) -> Iterator[None]:
    """Everything that is changed while the body runs comes from there."""
    token = _origin.set(source)
    try:
        yield
    finally:
        _origin.reset(token)


def identify(
    *,
    actor: int | None = None,
    acting_as: int | None = None,
    key: int | None = None,
) -> None:
    """Add who it is, once that is clear; lasts until the body of `changes_from` ends."""
    current = _origin.get()
    if current is not None:
        changed = replace(current, actor=actor, acting_as=acting_as, key=key)
        _origin.set(changed)


@contextmanager
def changes_because(reason: str) -> Iterator[None]:
    """What is changed while the body runs has this reason."""
    with changes_from(replace(origin() or Origin(), reason=reason)):
        yield


def name_process(name: str) -> None:
    """All threads of this process work for a task or command, or for none ("")."""
    _process[:] = [Origin(process=name)] if name else []


class History(StrEnum):
    """Where the past of a row can be read."""

    AUDITED = "audited"  # triggers record each change
    FACT = "fact"  # rows are appended and never change
    DERIVED = "derived"  # computed from facts, which are the history
    QUEUE = "queue"  # work to do and its progress, or a mark of how far it got


@dataclass(frozen=True, slots=True)
class Rule:
    """How a model keeps its history; for audited ones, which columns are amounts."""

    history: History
    money: frozenset[str] = frozenset()


RULES: dict[type, Rule] = {}


def audited(*, money: tuple[str, ...] = ()) -> Callable[[M], M]:
    """Mark a model whose changes triggers record.

    `money` names the columns that are amounts in the currency of the agency.
    """

    def mark(model: M) -> M:
        RULES[model] = Rule(History.AUDITED, frozenset(money))
        return model

    return mark


def history_as(history: History, *models: type) -> None:
    """Mark models whose changes need no record of their own, with the reason."""
    for model in models:
        RULES[model] = Rule(history)
