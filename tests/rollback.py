"""Many worlds in one test: each is rolled back."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction that durable services may run in, undone at the end."""
    world = transaction.atomic()
    world._from_testcase = True  # type: ignore[attr-defined]
    with world:
        yield
        transaction.set_rollback(True)
