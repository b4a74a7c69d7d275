"""Facts against their projections, their keys and what was announced of them."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from billing.accounts.models import PayerShareSet
from billing.invoicing.models import Document, Void
from billing.invoicing.verification.findings import (
    Finding,
    about_agency,
    about_document,
    about_payer,
    about_price_list,
)
from billing.pricing.models import PriceList
from billing.pricing.queries import WITH_RATES, terms_of
from billing.pricing.services import content_hash
from billing.webhooks.models import OutboxEvent
from billing.webhooks.receivers import SEAT_EVENTS
from seats.models import Agency, AgencyZone, Seat, SeatHolding, SeatVersion, Upline
from seats.roster.recording import read_versions
from seats.roster.versions import holdings_of


def check_seats() -> Iterator[Finding]:
    """Seats and holdings as their versions say; versions as announced."""
    versions = read_versions(SeatVersion.objects.all())
    numbers: dict[int, int] = {}
    for seat_id, number, agency_id in SeatVersion.objects.order_by(
        "seat", "number"
    ).values_list("seat", "number", "agency"):
        if number != numbers.get(seat_id, 0) + 1:
            about = about_agency(agency_id)
            message = f"no version before {number}"
            yield Finding("version_gap", f"seat {seat_id}", message, about)
        numbers[seat_id] = number
    holdings: dict[int, list[tuple[Any, ...]]] = {}
    for seat_id, *held in SeatHolding.objects.order_by("seat", "starts_on").values_list(
        "seat", "agent", "starts_on", "ends_on"
    ):
        holdings.setdefault(seat_id, []).append(tuple(held))
    for seat in Seat.objects.order_by("pk"):
        own, about = versions.get(seat.pk), about_agency(seat.agency_id)
        if not own or numbers[seat.pk] != seat.version:
            message = f"has no version {seat.version}"
            yield Finding("versions_missing", str(seat), message, about)
            continue
        wanted = [(h.agent_id, h.starts_on, h.ends_on) for h in holdings_of(own)]
        if holdings.get(seat.pk, []) != wanted:
            message = "is not held as its versions say"
            yield Finding("holding_differs", str(seat), message, about)
        newest = own[-1]
        holder = wanted[-1][0] if wanted else newest.agent_id
        if (seat.agent_id, seat.added_on, seat.removed_on, seat.cancelled) != (
            holder,
            newest.added_on,
            newest.removed_on,
            newest.cancelled,
        ):
            message = "is not what its versions say"
            yield Finding("seat_differs", str(seat), message, about)
    yield from _check_seat_events()


def _check_seat_events() -> Iterator[Finding]:
    announced = {
        (event.payload.get("seat"), event.payload.get("version")): event
        for event in OutboxEvent.objects.filter(
            type__in=SEAT_EVENTS.values()
        ).select_related("stream")
    }
    versions = SeatVersion.objects.annotate(
        seat_public_id=F("seat__public_id"), external_id=F("agent__external_id")
    )
    for version in versions.order_by("pk"):
        event = announced.pop((str(version.seat_public_id), version.number), None)
        said = {
            "held_from": version.held_from.isoformat(),
            "added_on": version.added_on.isoformat(),
            "removed_on": version.removed_on and version.removed_on.isoformat(),
            "cancelled": version.cancelled,
            "agent": version.external_id,
            "actor": version.actor,
            "reason": version.reason,
            "cutoff": version.cutoff,
        }
        about = about_agency(version.agency_id)
        if event is None:
            yield Finding("not_announced", str(version), "no event tells of it", about)
        elif (
            event.type != SEAT_EVENTS[SeatVersion.Action(version.action)]
            or event.payload.get("waived_days", 0) != version.waived_days
            or event.occurred_at != version.recorded_at
            or any(event.payload.get(name) != value for name, value in said.items())
        ):
            yield Finding(
                "announced_otherwise", str(version), "its event differs", about
            )
    for (seat, number), event in announced.items():
        about = about_agency(event.stream.agency_id)
        message = f"version {number} was announced"
        yield Finding("fact_missing", f"seat {seat}", message, about)


def check_agencies() -> Iterator[Finding]:
    """Zones, uplines and currencies as announced."""
    events: dict[int, list[OutboxEvent]] = {}
    told = OutboxEvent.objects.filter(type__startswith="agency.").select_related(
        "stream"
    )
    for event in told.order_by("stream", "sequence"):
        events.setdefault(event.stream.agency_id or 0, []).append(event)
    codes = dict(Agency.objects.values_list("pk", "code"))
    zones: dict[int, list[str]] = {}
    for agency_id, zone in AgencyZone.objects.order_by("starts_on").values_list(
        "agency", "zone"
    ):
        zones.setdefault(agency_id, []).append(zone)
    edges: dict[int, list[tuple[Any, ...]]] = {}
    for agency_id, *edge in Upline.objects.order_by("starts_on").values_list(
        "agency", "upline__code", "starts_on", "ends_on"
    ):
        edges.setdefault(agency_id, []).append(tuple(edge))
    for agency in Agency.objects.order_by("pk"):
        own = events.get(agency.pk, [])
        added = [event.payload for event in own if event.type == "agency.added"]
        told_zones = [event.payload.get("timezone") for event in own
                      if "timezone" in event.payload]  # fmt: skip
        differs = {
            "agency": not added or added[0]["currency"] != agency.currency,
            "zones": sorted(zones.get(agency.pk, [])) != sorted(told_zones),
            "uplines": edges.get(agency.pk, []) != _told_edges(own),
        }
        for what in (name for name, is_other in differs.items() if is_other):
            message = "agency differs" if what == "agency" else f"{what} differ"
            about = about_agency(agency.pk)
            yield Finding("announced_otherwise", codes[agency.pk], message, about)


def _told_edges(events: list[OutboxEvent]) -> list[tuple[Any, ...]]:
    """The upline edges that the announced moves make."""
    edges: list[list[Any]] = []
    for event in events:
        if event.type != "agency.upline_changed":
            continue
        on = date.fromisoformat(event.payload.get("on"))
        if edges and edges[-1][2] is None:
            if edges[-1][1] >= on:
                edges.pop()
            else:
                edges[-1][2] = on
        if event.payload.get("upline"):
            edges.append([event.payload.get("upline"), on, None])
    return [tuple(edge) for edge in edges]


def check_shares() -> Iterator[Finding]:
    """Payer shares sum to the whole and are as announced."""
    announced = {
        int(event.subject.split(":")[1]): event
        for event in OutboxEvent.objects.filter(
            type="payer_shares.changed"
        ).select_related("stream")
    }
    for known in PayerShareSet.objects.prefetch_related("shares__payer").order_by("pk"):
        shares = {s.payer.code: f"{s.percent:.6f}" for s in known.shares.all()}
        event = announced.pop(known.pk, None)
        about = about_agency(known.agency_id)
        if sum(Decimal(part) for part in shares.values()) != 100:
            yield Finding("shares_not_whole", str(known), "do not sum to 100 %", about)
        if (
            event is None
            or event.payload.get("shares") != shares
            or event.payload.get("starts_on") != known.starts_on.isoformat()
            or event.payload.get("cutoff") != known.cutoff
        ):
            yield Finding("announced_otherwise", str(known), "its event differs", about)
    for missing, event in announced.items():
        about = about_agency(event.stream.agency_id)
        yield Finding("fact_missing", f"share set {missing}", "was announced", about)


def check_prices() -> Iterator[Finding]:
    """Published lists still say what was published."""
    announced = {
        event.payload.get("code"): event.payload.get("hash")
        for event in OutboxEvent.objects.filter(type="price_list.published")
    }
    published = PriceList.objects.prefetch_related(*WITH_RATES).filter(
        status=PriceList.Status.PUBLISHED
    )
    for known in published.order_by("pk"):
        digest = content_hash(terms_of(known), known.starts_on, known.seat_includes)
        if digest != known.content_hash or announced.pop(known.code, "") != digest:
            message = f"says what hashes to {digest[:12]}, not what was published"
            about = about_price_list(known.pk)
            yield Finding("prices_differ", known.code, message, about)
    for code in announced:
        yield Finding("fact_missing", code, "was published and is gone")


def check_outbox() -> Iterator[Finding]:
    """No hole in any stream; every document and void announced as it is."""
    holes = """
        SELECT stream.id, stream.last_sequence, count(event.id),
               coalesce(max(event.sequence), 0), stream.agency_id
        FROM billing_outboxstream AS stream
        LEFT JOIN billing_outboxevent AS event ON event.stream_id = stream.id
        GROUP BY stream.id
        HAVING count(event.id) <> stream.last_sequence
            OR coalesce(max(event.sequence), 0) <> stream.last_sequence
        ORDER BY stream.id
    """
    with connection.cursor() as cursor:
        cursor.execute(holes)
        for stream, last, count, highest, agency_id in cursor.fetchall():
            message = f"{count} events up to {highest}, counter at {last}"
            about = about_agency(agency_id)
            yield Finding("outbox_hole", f"stream {stream}", message, about)
    yield from _check_issued_events()
    yield from _check_void_events()


def _check_issued_events() -> Iterator[Finding]:
    issued = {
        event.payload.get("id"): event
        for event in OutboxEvent.objects.filter(
            type__in=["invoice.issued", "credit_note.issued"]
        ).select_related("stream")
    }
    for document in Document.objects.exclude(status=Document.Status.DRAFT):
        event = issued.pop(str(document.public_id), None)
        if event is None or event.payload.get("hash") != document.hash:
            about = about_document(document.pk, document.payer_id)
            message = "its event differs"
            yield Finding("announced_otherwise", str(document), message, about)
    for public_id, event in issued.items():
        about = about_payer(event.stream.agency_id)
        yield Finding("fact_missing", f"document {public_id}", "was announced", about)


def _check_void_events() -> Iterator[Finding]:
    voided: dict[str, dict[str, int]] = {}
    abouts = {}
    for void in Void.objects.select_related("document"):
        public_id = str(void.document.public_id)
        cutoffs = voided.setdefault(public_id, {})
        cutoffs[str(void.agency_id)] = void.cutoff
        abouts[public_id] = about_document(void.document_id, void.document.payer_id)
    for event in OutboxEvent.objects.filter(
        type__in=["invoice.voided", "credit_note.voided"]
    ).select_related("stream"):
        if voided.pop(event.payload.get("id"), None) != event.payload.get("cutoffs"):
            number = event.payload.get("number")
            about = abouts.get(
                event.payload.get("id"), about_payer(event.stream.agency_id)
            )
            yield Finding("announced_otherwise", number, "its void differs", about)
    for public_id in voided:
        message, about = "no event tells of it", abouts[public_id]
        yield Finding("not_announced", f"void of {public_id}", message, about)
