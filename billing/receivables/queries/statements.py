"""Statements of account: what a payer was charged and paid, with running balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from billing.receivables.queries.sql import MOVEMENTS
from core.periods import local_date
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of what a payer owes; `on` is a local date of the payer.

    Positive amounts are owed by the payer. `balance` is what is owed after it. A
    `reversal` takes back a payment that was recorded by mistake.
    """

    on: date
    at: datetime
    kind: str
    id: UUID
    label: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """The movements of local dates `[starts_on, ends_on)`, and the balances around them.

    Without `starts_on`, all movements before `ends_on`.
    """

    payer: Agency
    starts_on: date | None
    ends_on: date
    opening: Decimal
    closing: Decimal
    movements: Sequence[Movement]


def account_statement(
    *, payer: Agency, starts_on: date | None, ends_on: date
) -> Statement:
    """The statement of account of a payer, by its local dates. One query.

    Positive balances are owed by the payer; a negative one is its credit balance.
    """
    zones = zones_of([payer.pk])[payer.pk]
    opening = balance = ZERO
    movements = []
    for at, kind, public_id, amount, label in _movements(payer):
        on = local_date(at, zones)
        if on >= ends_on:
            continue
        balance += amount
        if starts_on and on < starts_on:
            opening = balance
        else:
            movements.append(Movement(on, at, kind, public_id, label, amount, balance))
    return Statement(payer, starts_on, ends_on, opening, balance, movements)


def _movements(payer: Agency) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(MOVEMENTS, {"payer": payer.pk})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
