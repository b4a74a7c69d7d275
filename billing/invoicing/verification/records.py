"""Checks facts against their projections and against the events published of them."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from billing.accounts.models import PayerShareSet
from billing.invoicing.models.documents import Document, Void
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
from seats.models import Agency, AgencyZone, Seat, SeatHolding, SeatVersion, Upline
from seats.roster.domain.versions import holdings_of
from seats.roster.services.recording import SEAT_EVENTS, read_versions


def check_seats() -> Iterator[Finding]:
    """Check seats and holdings against their versions, and versions against events."""
    versions = read_versions(SeatVersion.objects.all())
    numbers: dict[int, int] = {}
    for seat_id, number, agency_id in SeatVersion.objects.order_by(
        "seat", "number"
    ).values_list("seat", "number", "agency"):
        if number != numbers.get(seat_id, 0) + 1:
            about = about_agency(agency_id)
            message = f"the version before {number} is missing"
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
            message = f"version {seat.version} is missing"
            yield Finding("versions_missing", str(seat), message, about)
            continue
        expected = [(h.agent_id, h.starts_on, h.ends_on) for h in holdings_of(own)]
        if holdings.get(seat.pk, []) != expected:
            message = "its holders differ from those in its versions"
            yield Finding("holding_differs", str(seat), message, about)
        newest = own[-1]
        holder = expected[-1][0] if expected else newest.agent_id
        if (seat.agent_id, seat.added_on, seat.removed_on, seat.cancelled) != (
            holder,
            newest.added_on,
            newest.removed_on,
            newest.cancelled,
        ):
            message = "its holder, dates or state differ from its newest version"
            yield Finding("seat_differs", str(seat), message, about)
    yield from _check_seat_events()


def _check_seat_events() -> Iterator[Finding]:
    announced = {
        (event.payload.get("seat"), event.payload.get("version")): event
        for event in OutboxEvent.objects.filter(
            type__in=[kind.event_type for kind in SEAT_EVENTS.values()]
        ).select_related("stream")
    }
    versions = SeatVersion.objects.annotate(
        seat_public_id=F("seat__public_id"), external_id=F("agent__external_id")
    )
    for version in versions.order_by("pk"):
        event = announced.pop((str(version.seat_public_id), version.number), None)
        expected = {
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
            message = "no event was published for it"
            yield Finding("not_announced", str(version), message, about)
        elif (
            event.type != SEAT_EVENTS[SeatVersion.Action(version.action)].event_type
            or event.payload.get("waived_days", 0) != version.waived_days
            or event.occurred_at != version.recorded_at
            or any(event.payload.get(name) != value for name, value in expected.items())
        ):
            message = "its event differs from the version"
            yield Finding("announced_otherwise", str(version), message, about)
    for (seat, number), event in announced.items():
        about = about_agency(event.stream.agency_id)
        message = f"version {number} has an event, but does not exist"
        yield Finding("fact_missing", f"seat {seat}", message, about)


def check_agencies() -> Iterator[Finding]:
    """Check zones, uplines and currencies against events."""
    events: dict[int, list[OutboxEvent]] = {}
    published = OutboxEvent.objects.filter(type__startswith="agency.").select_related(
        "stream"
    )
    for event in published.order_by("stream", "sequence"):
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
        event_zones = [event.payload.get("timezone") for event in own
                       if "timezone" in event.payload]  # fmt: skip
        differs = {
            "agency": not added or added[0]["currency"] != agency.currency,
            "zones": sorted(zones.get(agency.pk, [])) != sorted(event_zones),
            "uplines": edges.get(agency.pk, []) != _edges_of(own),
        }
        for what in (name for name, is_different in differs.items() if is_different):
            verb = "differs" if what == "agency" else "differ"
            message = f"the {what} {verb} from the published events"
            about = about_agency(agency.pk)
            yield Finding("announced_otherwise", codes[agency.pk], message, about)


def _edges_of(events: list[OutboxEvent]) -> list[tuple[Any, ...]]:
    """The upline edges that result from the published changes."""
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
    """Check that payer shares sum to 100 %, and check them against events."""
    announced = {
        int(event.subject.split(":")[1]): event
        for event in OutboxEvent.objects.filter(
            type="payer_shares.changed"
        ).select_related("stream")
    }
    for share_set in PayerShareSet.objects.prefetch_related("shares__payer").order_by(
        "pk"
    ):
        shares = {s.payer.code: f"{s.percent:.6f}" for s in share_set.shares.all()}
        event = announced.pop(share_set.pk, None)
        about = about_agency(share_set.agency_id)
        if sum(Decimal(part) for part in shares.values()) != 100:
            message = "the shares do not sum to 100 %"
            yield Finding("shares_not_whole", str(share_set), message, about)
        if (
            event is None
            or event.payload.get("shares") != shares
            or event.payload.get("starts_on") != share_set.starts_on.isoformat()
            or event.payload.get("cutoff") != share_set.cutoff
        ):
            message = "its event differs from the share set"
            yield Finding("announced_otherwise", str(share_set), message, about)
    for missing, event in announced.items():
        about = about_agency(event.stream.agency_id)
        message = "has an event, but does not exist"
        yield Finding("fact_missing", f"share set {missing}", message, about)


def check_prices() -> Iterator[Finding]:
    """Check published price lists against their hashes and events."""
    announced = {
        event.payload.get("code"): event.payload.get("hash")
        for event in OutboxEvent.objects.filter(type="price_list.published")
    }
    published = PriceList.objects.prefetch_related(*WITH_RATES).filter(
        state=PriceList.State.PUBLISHED
    )
    for row in published.order_by("pk"):
        digest = content_hash(terms_of(row), row.starts_on, row.seat_includes)
        if digest != row.content_hash or announced.pop(row.code, "") != digest:
            message = (
                f"content hashes to {digest[:12]} and differs from what was published"
            )
            about = about_price_list(row.pk)
            yield Finding("prices_differ", row.code, message, about)
    for code in announced:
        yield Finding("fact_missing", code, "was published, but does not exist")


def check_outbox() -> Iterator[Finding]:
    """Check event streams for gaps, and documents and voids against events."""
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
            message = (
                f"has {count} events up to number {highest}; its counter is {last}"
            )
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
    for document in Document.objects.exclude(state=Document.State.DRAFT):
        event = issued.pop(str(document.public_id), None)
        if event is None or event.payload.get("hash") != document.hash:
            about = about_document(document.pk, document.payer_id)
            message = "its event is missing or differs from the document"
            yield Finding("announced_otherwise", str(document), message, about)
    for public_id, event in issued.items():
        about = about_payer(event.stream.agency_id)
        message = "has an event, but does not exist"
        yield Finding("fact_missing", f"document {public_id}", message, about)


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
            message = "its void differs from the event"
            yield Finding("announced_otherwise", number, message, about)
    for public_id in voided:
        message, about = "no event was published for it", abouts[public_id]
        yield Finding("not_announced", f"void of {public_id}", message, about)
