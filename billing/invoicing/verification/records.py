"""Facts against their projections, their keys and what was announced of them."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from billing.accounts.models import PayerShareSet
from billing.invoicing.models import Document, Void
from billing.invoicing.verification.findings import Finding
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
    for seat_id, number in SeatVersion.objects.order_by("seat", "number").values_list(
        "seat", "number"
    ):
        if number != numbers.get(seat_id, 0) + 1:
            yield Finding(
                "version_gap", f"seat {seat_id}", f"no version before {number}"
            )
        numbers[seat_id] = number
    holdings: dict[int, list[tuple[Any, ...]]] = {}
    for seat_id, *held in SeatHolding.objects.order_by("seat", "starts_on").values_list(
        "seat", "agent", "starts_on", "ends_on"
    ):
        holdings.setdefault(seat_id, []).append(tuple(held))
    for seat in Seat.objects.order_by("pk"):
        own = versions.get(seat.pk)
        if not own or numbers[seat.pk] != seat.version:
            yield Finding(
                "versions_missing", str(seat), f"has no version {seat.version}"
            )
            continue
        wanted = [(h.agent_id, h.starts_on, h.ends_on) for h in holdings_of(own)]
        if holdings.get(seat.pk, []) != wanted:
            yield Finding(
                "holding_differs", str(seat), "is not held as its versions say"
            )
        newest = own[-1]
        holder = wanted[-1][0] if wanted else newest.agent_id
        if (seat.agent_id, seat.added_on, seat.removed_on, seat.cancelled) != (
            holder,
            newest.added_on,
            newest.removed_on,
            newest.cancelled,
        ):
            yield Finding("seat_differs", str(seat), "is not what its versions say")
    yield from _check_seat_events()


def _check_seat_events() -> Iterator[Finding]:
    announced = {
        (event.payload.get("seat"), event.payload.get("version")): event
        for event in OutboxEvent.objects.filter(type__in=SEAT_EVENTS.values())
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
        if event is None:
            yield Finding("not_announced", str(version), "no event tells of it")
        elif (
            event.type != SEAT_EVENTS[SeatVersion.Action(version.action)]
            or event.payload.get("waived_days", 0) != version.waived_days
            or event.occurred_at != version.recorded_at
            or any(event.payload.get(name) != value for name, value in said.items())
        ):
            yield Finding("announced_otherwise", str(version), "its event differs")
    for seat, number in announced:
        yield Finding("fact_missing", f"seat {seat}", f"version {number} was announced")


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
        if not added or added[0]["currency"] != agency.currency:
            yield Finding("announced_otherwise", codes[agency.pk], "agency differs")
        if sorted(zones.get(agency.pk, [])) != sorted(told_zones):
            yield Finding("announced_otherwise", codes[agency.pk], "zones differ")
        if edges.get(agency.pk, []) != _told_edges(own):
            yield Finding("announced_otherwise", codes[agency.pk], "uplines differ")


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
        for event in OutboxEvent.objects.filter(type="payer_shares.changed")
    }
    for known in PayerShareSet.objects.prefetch_related("shares__payer").order_by("pk"):
        shares = {s.payer.code: f"{s.percent:.6f}" for s in known.shares.all()}
        event = announced.pop(known.pk, None)
        if sum(Decimal(part) for part in shares.values()) != 100:
            yield Finding("shares_not_whole", str(known), "do not sum to 100 %")
        if (
            event is None
            or event.payload.get("shares") != shares
            or event.payload.get("starts_on") != known.starts_on.isoformat()
            or event.payload.get("cutoff") != known.cutoff
        ):
            yield Finding("announced_otherwise", str(known), "its event differs")
    for missing in announced:
        yield Finding("fact_missing", f"share set {missing}", "was announced")


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
            yield Finding("prices_differ", known.code, "is not what was published")
    for code in announced:
        yield Finding("fact_missing", code, "was published and is gone")


def check_outbox() -> Iterator[Finding]:
    """No hole in any stream; every document and void announced as it is."""
    holes = """
        SELECT stream.id, stream.last_sequence, count(event.id),
               coalesce(max(event.sequence), 0)
        FROM billing_outboxstream AS stream
        LEFT JOIN billing_outboxevent AS event ON event.stream_id = stream.id
        GROUP BY stream.id
        HAVING count(event.id) <> stream.last_sequence
            OR coalesce(max(event.sequence), 0) <> stream.last_sequence
        ORDER BY stream.id
    """
    with connection.cursor() as cursor:
        cursor.execute(holes)
        for stream, last, count, highest in cursor.fetchall():
            message = f"{count} events up to {highest}, counter at {last}"
            yield Finding("outbox_hole", f"stream {stream}", message)
    issued = {
        event.payload.get("id"): event.payload.get("hash")
        for event in OutboxEvent.objects.filter(
            type__in=["invoice.issued", "credit_note.issued"]
        )
    }
    for document in Document.objects.exclude(status=Document.Status.DRAFT):
        if issued.pop(str(document.public_id), None) != document.hash:
            yield Finding("announced_otherwise", str(document), "its event differs")
    for public_id in issued:
        yield Finding("fact_missing", f"document {public_id}", "was announced")
    yield from _check_void_events()


def _check_void_events() -> Iterator[Finding]:
    voided: dict[str, dict[str, int]] = {}
    for void in Void.objects.select_related("document"):
        cutoffs = voided.setdefault(str(void.document.public_id), {})
        cutoffs[str(void.agency_id)] = void.cutoff
    for event in OutboxEvent.objects.filter(
        type__in=["invoice.voided", "credit_note.voided"]
    ):
        if voided.pop(event.payload.get("id"), None) != event.payload.get("cutoffs"):
            number = event.payload.get("number")
            yield Finding("announced_otherwise", number, "its void differs")
    for public_id in voided:
        yield Finding("not_announced", f"void of {public_id}", "no event tells of it")
