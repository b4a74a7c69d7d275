"""The routes of agencies, agents and seats."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from seats.agencies.queries import uplines_of, zones_of
from seats.described import one_or_many
from seats.errors import UnknownAgent
from seats.keys.views import KeyView, several
from seats.models import Agency, Agent, Seat
from seats.periods import local_date, zone_on
from seats.roster.services import (
    add_agents,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from seats.serializers import (
    MOST,
    AgencyOut,
    AgentFilter,
    AgentIn,
    AgentOut,
    CancellationIn,
    HandOverIn,
    RemovalIn,
    ReopeningIn,
    SeatFilter,
    SeatIn,
    SeatOut,
    TransferIn,
    Unfiltered,
)

READ_WRITE = {"GET": "seats:read", "POST": "seats:write"}


class AgenciesView(KeyView):
    """The agencies within reach."""

    required_scope = "seats:read"
    serializer_class = AgencyOut

    @extend_schema(
        operation_id="list_agencies",
        summary="Agencies within reach",
        responses=AgencyOut(many=True),
    )
    def get(self, request: Request) -> Response:
        self.checked(Unfiltered, request.query_params)
        rows = self.within(Agency.objects.all(), "pk")
        page = self.paginate_queryset(rows) or []
        zones = zones_of([agency.pk for agency in page])
        context = {
            "zones": {
                pk: zone_on(periods, local_date(self.now, periods))
                for pk, periods in zones.items()
            },
            "uplines": uplines_of(
                {pk: local_date(self.now, periods) for pk, periods in zones.items()}
            ),
        }
        shown = AgencyOut(page, many=True, context=context)
        return self.get_paginated_response(shown.data)


class AgentsView(KeyView):
    """Agents of the agencies within reach."""

    required_scope = READ_WRITE
    serializer_class = AgentOut

    @extend_schema(
        operation_id="list_agents",
        summary="Agents",
        parameters=[AgentFilter],
        responses=AgentOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(AgentFilter, request.query_params)
        rows = self.within(Agent.objects.select_related("agency"), "agency")
        if "agency" in told:
            rows = rows.filter(agency=self.agency(told["agency"]))
        if "agent" in told:
            rows = rows.filter(external_id=told["agent"])
        return self.page(rows, AgentOut)

    @extend_schema(
        operation_id="add_agents",
        summary=f"Add an agent, or a list of up to {MOST}: all or none",
        request=one_or_many(AgentIn),
        responses={201: AgentOut(many=True)},
    )
    def post(self, request: Request) -> Response:
        many = _checked_many(self, AgentIn, request)
        added: list[Agent] = []
        with transaction.atomic():
            for code, told in _by_agency(many).items():
                agents = [Agent(**_without(one, "agency")) for one in told]
                agency = self.agency(code)
                added += add_agents(agency=agency, agents=agents, now=self.now)
        shown = Agent.objects.filter(pk__in=[agent.pk for agent in added])
        rows = shown.select_related("agency").order_by("pk")
        return Response(AgentOut(rows, many=True).data, status=201)


class SeatsView(KeyView):
    """Seats of the agencies within reach."""

    required_scope = READ_WRITE
    serializer_class = SeatOut

    @extend_schema(
        operation_id="list_seats",
        summary="Seats",
        parameters=[SeatFilter],
        responses=SeatOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(SeatFilter, request.query_params)
        rows = self.within(_seats(), "agency")
        if "agency" in told:
            rows = rows.filter(agency=self.agency(told["agency"]))
        if "agent" in told:
            rows = rows.filter(holdings__agent__external_id=told["agent"]).distinct()
        if "on" in told:
            rows = rows.filter(_held_on(told["on"])).distinct()
        return self.page(rows, SeatOut)

    @extend_schema(
        operation_id="add_seats",
        summary=f"Add a seat, or a list of up to {MOST}: all or none",
        request=one_or_many(SeatIn),
        responses={201: SeatOut(many=True)},
    )
    def post(self, request: Request) -> Response:
        many = _checked_many(self, SeatIn, request)
        added: list[Seat] = []
        with transaction.atomic():
            for code, told in _by_agency(many).items():
                agency = self.agency(code)
                agents = _agents(agency, [one["agent"] for one in told])
                for on, names in _by_date(told, self.today(agency)).items():
                    added += add_seats(
                        agents=[agents[name] for name in names],
                        on=on,
                        actor=self.actor,
                        now=self.now,
                    )
        return Response(_shown(added), status=201)


class SeatActionView(KeyView):
    """Something that is done to a seat within reach."""

    required_scope = "seats:write"
    serializer_class = SeatOut
    takes: type[BaseSerializer[Any]]

    def post(self, request: Request, public_id: UUID) -> Response:
        told = self.checked(self.takes, request.data)
        seat = self.within(_seats(), "agency").filter(public_id=public_id).first()
        if seat is None:
            raise NotFound
        by = {"actor": self.actor, "now": self.now, "reason": told.get("reason", "")}
        return Response(_shown(self.do(seat, told, by))[0])

    def do(self, seat: Seat, told: dict[str, Any], by: dict[str, Any]) -> list[Seat]:
        raise NotImplementedError

    def on(self, seat: Seat, told: dict[str, Any]) -> date:
        return told.get("on") or self.today(seat.agency)


def _described(name: str, takes: type[BaseSerializer[Any]]) -> Any:
    return extend_schema_view(post=extend_schema(operation_id=name, request=takes))


@_described("remove_seat", RemovalIn)
class RemoveSeatView(SeatActionView):
    """End a seat; `on` is the first date that is not billed."""

    takes = RemovalIn

    def do(self, seat: Seat, told: dict[str, Any], by: dict[str, Any]) -> list[Seat]:
        return remove_seats(seats=[seat], on=self.on(seat, told), **by)


@_described("hand_over_seat", HandOverIn)
class HandOverSeatView(SeatActionView):
    """Another agent of the agency holds the seat from a date on; free."""

    takes = HandOverIn

    def do(self, seat: Seat, told: dict[str, Any], by: dict[str, Any]) -> list[Seat]:
        to = _agents(seat.agency, [told["agent"]])[told["agent"]]
        return hand_over_seats(moves=[(seat, to)], on=self.on(seat, told), **by)


@_described("transfer_seat", TransferIn)
class TransferSeatView(SeatActionView):
    """End the seat here and open one at another agency on the same date."""

    takes = TransferIn

    def do(self, seat: Seat, told: dict[str, Any], by: dict[str, Any]) -> list[Seat]:
        to = _agents(self.agency(told["agency"]), [told["agent"]])[told["agent"]]
        return transfer_seats(moves=[(seat, to)], on=self.on(seat, told), **by)


@_described("cancel_seat", CancellationIn)
class CancelSeatView(SeatActionView):
    """Take back a seat that was entered by mistake: no date of it is billed."""

    takes = CancellationIn

    def do(self, seat: Seat, told: dict[str, Any], by: dict[str, Any]) -> list[Seat]:
        return cancel_seats(seats=[seat], **by)


@_described("reopen_seat", ReopeningIn)
class ReopenSeatView(SeatActionView):
    """Take back a removal, from its date on."""

    takes = ReopeningIn

    def do(self, seat: Seat, told: dict[str, Any], by: dict[str, Any]) -> list[Seat]:
        return reopen_seats(seats=[seat], **by)


def _seats() -> QuerySet[Seat]:
    return Seat.objects.select_related("agency", "agent").prefetch_related(
        "holdings__agent"
    )


def _held_on(on: date) -> Q:
    ends = Q(holdings__ends_on=None) | Q(holdings__ends_on__gt=on)
    return ends & Q(holdings__starts_on__lte=on)


def _shown(seats: Sequence[Seat]) -> list[dict[str, Any]]:
    rows = _seats().filter(pk__in=[seat.pk for seat in seats]).order_by("pk")
    return list(SeatOut(rows, many=True).data)


def _agents(agency: Agency, names: Sequence[str]) -> dict[str, Agent]:
    """Agents of an agency by the dialer's name. Raises UnknownAgent."""
    rows = Agent.objects.filter(agency=agency, external_id__in=names)
    found = {agent.external_id: agent for agent in rows}
    for name in names:
        if name not in found:
            raise UnknownAgent(f"{agency.code} has no agent {name}.", field="agent")
    return found


def _checked_many(
    view: KeyView, kind: type[BaseSerializer[Any]], request: Request
) -> list[dict[str, Any]]:
    if not several(request):
        return [view.checked(kind, request.data)]
    if not 0 < len(request.data) <= MOST:
        raise ValidationError(f"A list has 1 to {MOST} entries.")
    return list(view.checked(kind, request.data, many=True))


def _by_agency(many: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in many:
        groups.setdefault(one.get("agency", ""), []).append(one)
    return groups


def _by_date(many: Sequence[dict[str, Any]], today: date) -> dict[date, list[str]]:
    groups: dict[date, list[str]] = {}
    for one in many:
        groups.setdefault(one.get("on") or today, []).append(one["agent"])
    return groups


def _without(told: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != name}
