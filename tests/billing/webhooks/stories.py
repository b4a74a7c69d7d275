"""A story in which everything is announced that can be, by the services that do it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.accounts.services import set_payer_shares
from billing.invoicing.models import Document
from billing.invoicing.services.documents import void_document
from billing.metering.archiving import ARCHIVED, announced
from billing.metering.models import ArchivedMonth
from billing.webhooks.services import PLATFORM, NewEvent, publish
from seats.agencies.services import change_zone, set_upline
from seats.models import Agency, Seat
from seats.roster.services import (
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY,
    MAY_2,
    bill,
    documents_of,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
)

WHO: dict[str, Any] = {
    "actor": "somebody@example.com",
    "now": datetime(2026, 3, 20, tzinfo=UTC),
}
WHY: dict[str, Any] = {"reason": "said on the phone", "staff": True}


def play_everything() -> None:
    """Two agencies with seats that change in every way, billed and corrected."""
    make_prices()
    sunrise, pacific = make_agency(), make_agency("PACIFIC")
    quiet = make_agency("QUIET")
    first = make_seats(quiet, "fay")
    set_upline(agency=pacific, upline=sunrise, on=MARCH, **WHO)
    change_zone(agency=pacific, zone="America/Denver", starts_on=APRIL, **WHO)
    change_seats(sunrise, pacific)
    set_payer_shares(
        agency=pacific, shares={sunrise: Decimal(100)}, starts_on=MAY,
        reason=WHY["reason"], **WHO,
    )  # fmt: skip
    bill(MARCH)
    exchange_a_whole_month(quiet, first)
    correct_and_void(sunrise)
    archive()


def change_seats(sunrise: Agency, pacific: Agency) -> None:
    first, second, third = make_seats(sunrise, "ana", "ben", "cat")
    dan, (eve,) = make_agents(sunrise, "dan")[0], make_agents(pacific, "eve")
    hand_over_seats(moves=[(first, dan)], on=date(2026, 3, 10), **WHO, **WHY)
    for on in (date(2026, 3, 15), date(2026, 3, 16)):  # removed, then re-dated
        remove_seats(seats=[second], on=on, **WHO, **WHY)
    reopen_seats(seats=[second], **WHO, **WHY)
    transfer_seats(moves=[(second, eve)], on=date(2026, 3, 18), **WHO, **WHY)
    cancel_seats(seats=[third], **WHO, **WHY)


def exchange_a_whole_month(agency: Agency, seats: list[Seat]) -> None:
    """One month less and one more: an invoice over nothing, paid at once."""
    cancel_seats(seats=seats, actor="somebody@example.com", now=APRIL_2, **WHY)
    make_seats(agency, "gil", on=APRIL, now=APRIL_2)


def correct_and_void(agency: Agency) -> None:
    """A credit note for seats that were gone, and both documents taken back."""
    seats = list(agency.seats.filter(removed_on=None, cancelled=False))
    gone: dict[str, Any] = {
        "on": date(2026, 3, 11),
        "actor": "somebody@example.com",
        "now": APRIL_2,
    }
    remove_seats(seats=seats, **gone, **WHY)
    bill(APRIL)
    for document in documents_of(agency):
        if document.status == Document.Status.OPEN:
            void_document(
                document_id=document.pk, actor="somebody@example.com",
                reason=WHY["reason"], now=MAY_2,
            )  # fmt: skip


def archive() -> None:
    """What archiving announces; to archive in earnest takes a database of its own."""
    record = ArchivedMonth(
        month=MARCH, file_name="usage-2026-03.parquet", rows=82, file_size=1,
        file_hash="00", sums_hash="00", archived_at=MAY_2, detached_at=MAY_2,
        actor="somebody@example.com",
    )  # fmt: skip
    with transaction.atomic():
        publish(
            [NewEvent(PLATFORM, ARCHIVED, f"usage:{record}", announced(record))],
            now=MAY_2,
        )
