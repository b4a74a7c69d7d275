"""Reading the debts, holds and cases of payers, in a fixed number of statements."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from billing.accounts.models import BillingAccount
from billing.collection.queries.methods import UNUSABLE
from billing.dunning.domain.schedule import Debt, PayerSnapshot, owed
from billing.dunning.models import DunningCase
from billing.invoicing.domain.numbers import PRINTED_NUMBER
from billing.invoicing.queries.left_to_pay import LEFT_TO_PAY
from billing.invoicing.queries.sql import ON_HOLD
from billing.processors.domain.attempt_states import OPEN, UNREPORTED, sql_list
from core.periods import ZonePeriod
from core.postgres.arrays import array_text
from seats.agencies.queries.agencies import zones_of
from seats.members.models import Member

RECIPIENT_ROLES = [Member.Role.OWNER, Member.Role.BILLING_VIEWER]

# A checkout page that nobody paid on is not a failed charge.
A_CHARGE = """
    NOT (attempt.state = 'failed' AND EXISTS (
        SELECT FROM billing_checkoutpage WHERE attempt_id = attempt.id))
"""
# An attempt that is open is always the newest of its invoice.
DEBTS = f"""
    SELECT document.payer_id, document.id,
           {PRINTED_NUMBER}, document.due_at, {LEFT_TO_PAY},
           (SELECT CASE WHEN state IN ({sql_list(UNREPORTED)})
                             AND reported_at IS NOT NULL
                        THEN 'unresolved' ELSE state END
            FROM billing_paymentattempt AS attempt
            WHERE invoice_id = document.id AND {A_CHARGE}
            ORDER BY id DESC LIMIT 1)
    FROM billing_document AS document
    WHERE document.payer_id = ANY(%(ids)s::bigint[])
      AND document.kind = 'invoice' AND document.state = 'open'
    ORDER BY document.payer_id, document.number
"""
METHODS = f"""
    SELECT method.payer_id, method.id, {UNUSABLE}
    FROM billing_paymentmethod AS method
    WHERE method.payer_id = ANY(%(ids)s::bigint[]) AND method.removed_at IS NULL
"""
HOLDS = """
    SELECT DISTINCT ON (payer_id) payer_id, until FROM billing_dunninghold
    WHERE payer_id = ANY(%(ids)s::bigint[]) ORDER BY payer_id, id DESC
"""
NOT_HELD = """
    NOT EXISTS (
        SELECT FROM (SELECT until FROM billing_dunninghold
                     WHERE payer_id = account.payer_id ORDER BY id DESC LIMIT 1) AS hold
        WHERE hold.until > %(now)s)
"""
NOT_CHARGED = f"""
    NOT EXISTS (
        SELECT FROM billing_paymentattempt AS attempt
        JOIN billing_document AS invoice ON invoice.id = attempt.invoice_id
        WHERE invoice.payer_id = account.payer_id AND invoice.state = 'open'
          AND attempt.state IN ({sql_list(OPEN)})
          AND attempt.reported_at IS NULL)
"""
# While an open invoice of a payer is on hold for verification, dunning pauses entirely.
NOT_CHECKED = f"""
    NOT EXISTS (
        SELECT FROM billing_document AS invoice
        WHERE invoice.payer_id = account.payer_id AND invoice.kind = 'invoice'
          AND invoice.state = 'open' AND {ON_HOLD.format(document="invoice")})
"""
# A write-off sends no signal, so the sweep looks for cases without a concerned invoice.
NOT_CONCERNED = f"""
    NOT EXISTS (
        SELECT FROM billing_document AS invoice
        WHERE invoice.payer_id = account.payer_id AND invoice.kind = 'invoice'
          AND invoice.state = 'open'
          AND (invoice.due_at <= %(now)s
               OR dunning.state IN ('retrying', 'waiting') AND EXISTS (
                   SELECT FROM billing_paymentattempt AS attempt
                   WHERE invoice_id = invoice.id AND {A_CHARGE}
                     AND (state IN ('declined_hard', 'declined_soft', 'failed')
                          OR reported_at IS NOT NULL))))
"""
# Locking the account locks the payer; payers that are locked now wait for the next sweep.
CLAIM = (
    "ORDER BY account.payer_id LIMIT %(limit)s FOR NO KEY UPDATE OF account SKIP LOCKED"
)
CLAIM_PAST_DUE = f"""
    SELECT account.payer_id FROM billing_billingaccount AS account
    WHERE account.payer_id > %(after)s
      AND account.payer_id IN (
          SELECT payer_id FROM billing_document
          WHERE kind = 'invoice' AND state = 'open' AND due_at <= %(now)s)
      AND NOT EXISTS (SELECT FROM billing_dunningcase AS dunning
                      WHERE dunning.payer_id = account.payer_id
                        AND dunning.closed_at IS NULL)
      AND {NOT_HELD} AND {NOT_CHARGED} AND {NOT_CHECKED} {CLAIM}
"""
CLAIM_DUE = f"""
    SELECT account.payer_id FROM billing_billingaccount AS account
    JOIN billing_dunningcase AS dunning ON dunning.payer_id = account.payer_id
        AND dunning.closed_at IS NULL
    WHERE account.payer_id > %(after)s
      AND (dunning.next_step_at <= %(now)s AND {NOT_HELD} AND {NOT_CHARGED}
           AND {NOT_CHECKED}
           OR {NOT_CONCERNED}) {CLAIM}
"""


@dataclass(frozen=True, slots=True)
class Recipients:
    """The mail addresses for an agency's matters, and the time zones of its dates."""

    addresses: Sequence[str]
    zones: Sequence[ZonePeriod]


def claim_past_due(*, now: datetime, after: int, limit: int) -> list[int]:
    """Lock payers (with ids above `after`) that are past due and have no open case."""
    return _claim(CLAIM_PAST_DUE, now, after, limit)


def claim_due(*, now: datetime, after: int, limit: int) -> list[int]:
    """Lock payers (with ids above `after`) whose case is due, or has nothing left."""
    return _claim(CLAIM_DUE, now, after, limit)


def open_cases(payer_ids: Collection[int]) -> dict[int, DunningCase]:
    """The open cases of payers, by payer id, with payer and invoice loaded."""
    rows = DunningCase.objects.filter(payer__in=payer_ids, closed_at=None)
    return {case.payer_id: case for case in rows.select_related("payer", "invoice")}


def payer_snapshots(
    payer_ids: Collection[int], *, now: datetime, without: int | None = None
) -> dict[int, PayerSnapshot]:
    """A snapshot of each payer, by its id, leaving out the document `without`."""
    debts: dict[int, list[Debt]] = {payer_id: [] for payer_id in payer_ids}
    for payer_id, *fields in _rows(DEBTS, payer_ids):
        debt = Debt(*fields)
        if debt.invoice != without:
            debts[payer_id].append(debt)
    methods = {payer: (pk, failed) for payer, pk, failed in _rows(METHODS, payer_ids)}
    holds = dict(_rows(HOLDS, payer_ids))
    return {
        payer_id: PayerSnapshot(
            now, debts[payer_id], *methods.get(payer_id, (None, False)),
            holds.get(payer_id),
        )
        for payer_id in payer_ids
    }  # fmt: skip


def with_debts(cases: Sequence[Any], *, now: datetime) -> Sequence[Any]:
    """Set `owed`, `overdue`, `held_until` and `postponed_to` on these open cases.

    Amounts are in the payer's currency; `postponed_to` is the next step after any hold.
    """
    snapshots = payer_snapshots([case.payer_id for case in cases], now=now)
    for case in cases:
        snapshot = snapshots[case.payer_id]
        case.owed, case.overdue = owed(snapshot.concerned), owed(snapshot.overdue)
        held = snapshot.held_until
        case.held_until = held if held and held > now else None
        case.postponed_to = case.next_step_at and max(
            case.next_step_at, held or case.next_step_at
        )
    return cases


def recipients_of(payer_ids: Collection[int]) -> dict[int, Recipients]:
    """Who gets mails: the account's address, its owners and its billing viewers."""
    addresses: dict[int, set[str]] = {payer_id: set() for payer_id in payer_ids}
    accounts = BillingAccount.objects.filter(payer__in=payer_ids).exclude(email="")
    for payer_id, email in accounts.values_list("payer", "email"):
        addresses[payer_id].add(email)
    members = Member.objects.filter(
        agency__in=payer_ids, role__in=RECIPIENT_ROLES, user__is_active=True
    )
    for payer_id, email in members.values_list("agency", "user__email"):
        addresses[payer_id].add(email)
    zones = zones_of(payer_ids)
    return {pk: Recipients(sorted(addresses[pk]), zones[pk]) for pk in payer_ids}


def _claim(statement: str, now: datetime, after: int, limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"now": now, "after": after, "limit": limit})
        return [payer_id for (payer_id,) in cursor.fetchall()]


def _rows(statement: str, payer_ids: Collection[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": array_text(payer_ids)})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
