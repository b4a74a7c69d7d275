"""API views of agencies, agents and seats."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.errors import NotFound, UnknownAgent
from core.openapi import one_or_many
from core.parsing.values import shown
from core.periods import local_date, zone_on
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import uplines_of, zones_of
from seats.api_keys.api.views import KeyView, is_list_body
from seats.roster.api.serializers import (
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
from seats.roster.domain.scopes import SeatScope
from seats.roster.models import Agent, Seat
from seats.roster.services.seats import (
    add_agents,
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)

READ_WRITE = {"GET": SeatScope.READ, "POST": SeatScope.WRITE}


class AgenciesView(KeyView):
    """The agencies that the key reaches."""

    required_scope = SeatScope.READ
    serializer_class = AgencyOut

    @extend_schema(
        operation_id="list_agencies",
        summary="List the agencies that the key reaches",
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
    """Agents of the agencies that the key reaches."""

    required_scope = READ_WRITE
    serializer_class = AgentOut

    @extend_schema(
        operation_id="list_agents",
        summary="List agents",
        parameters=[AgentFilter],
        responses=AgentOut(many=True),
    )
    def get(self, request: Request) -> Response:
        filters = self.checked(AgentFilter, request.query_params)
        rows = self.within(Agent.objects.select_related("agency"), "agency")
        if "agency" in filters:
            rows = rows.filter(agency=self.agency(filters["agency"]))
        if "agent" in filters:
            rows = rows.filter(external_id=filters["agent"])
        return self.page(rows, AgentOut)

    @extend_schema(
        operation_id="add_agents",
        summary=f"Add an agent, or a list of up to {MOST} agents (all or none)",
        request=one_or_many(AgentIn),
        responses={201: AgentOut(many=True)},
    )
    def post(self, request: Request) -> Response:
        many = _checked_many(self, AgentIn, request)
        added: list[Agent] = []
        with transaction.atomic():
            for code, bodies in _by_agency(many).items():
                agents = [Agent(**_without(body, "agency")) for body in bodies]
                agency = self.agency(code)
                added += add_agents(agency=agency, agents=agents, now=self.now)
        shown = Agent.objects.filter(pk__in=[agent.pk for agent in added])
        rows = shown.select_related("agency").order_by("pk")
        return Response(AgentOut(rows, many=True).data, status=201)


class SeatsView(KeyView):
    """Seats of the agencies that the key reaches."""

    required_scope = READ_WRITE
    serializer_class = SeatOut

    @extend_schema(
        operation_id="list_seats",
        summary="List seats",
        parameters=[SeatFilter],
        responses=SeatOut(many=True),
    )
    def get(self, request: Request) -> Response:
        filters = self.checked(SeatFilter, request.query_params)
        rows = self.within(_seats(), "agency")
        if "agency" in filters:
            rows = rows.filter(agency=self.agency(filters["agency"]))
        if "agent" in filters:
            agent = filters["agent"]
            rows = rows.filter(holdings__agent__external_id=agent).distinct()
        if "on" in filters:
            rows = rows.filter(_held_on(filters["on"])).distinct()
        return self.page(rows, SeatOut)

    @extend_schema(
        operation_id="add_seats",
        summary=f"Add a seat, or a list of up to {MOST} seats (all or none)",
        request=one_or_many(SeatIn),
        responses={201: SeatOut(many=True)},
    )
    def post(self, request: Request) -> Response:
        many = _checked_many(self, SeatIn, request)
        added: list[Seat] = []
        with transaction.atomic():
            for code, bodies in _by_agency(many).items():
                agency = self.agency(code)
                agents = _agents(agency, [body["agent"] for body in bodies])
                for on, names in _by_date(bodies, self.today(agency)).items():
                    added += add_seats(
                        agents=[agents[name] for name in names],
                        on=on,
                        actor=self.actor,
                        now=self.now,
                    )
        return Response(_seat_bodies(added), status=201)


class SeatActionView(KeyView):
    """An action on a seat that the key reaches."""

    required_scope = SeatScope.WRITE
    serializer_class = SeatOut
    body_class: type[BaseSerializer[Any]]

    def post(self, request: Request, public_id: UUID) -> Response:
        body = self.checked(self.body_class, request.data)
        seat = self.within(_seats(), "agency").filter(public_id=public_id).first()
        if seat is None:
            raise NotFound
        audit = {"actor": self.actor, "now": self.now, "reason": body.get("reason", "")}
        return Response(_seat_bodies(self.perform(seat, body, audit))[0])

    def perform(
        self, seat: Seat, body: dict[str, Any], audit: dict[str, Any]
    ) -> list[Seat]:
        """Call the service; `audit` has its `actor`, `now` and `reason`."""
        raise NotImplementedError

    def date_of(self, seat: Seat, body: dict[str, Any]) -> date:
        """The `on` of the body, or else the agency's local date."""
        return body.get("on") or self.today(seat.agency)


def _operation(name: str, body_class: type[BaseSerializer[Any]]) -> Any:
    operation = extend_schema(operation_id=name, request=body_class)
    return extend_schema_view(post=operation)


@_operation("remove_seat", RemovalIn)
class RemoveSeatView(SeatActionView):
    """Remove a seat; `on` (default: today) is the first date that is not billed."""

    body_class = RemovalIn

    def perform(
        self, seat: Seat, body: dict[str, Any], audit: dict[str, Any]
    ) -> list[Seat]:
        return remove_seats(seats=[seat], on=self.date_of(seat, body), **audit)


@_operation("hand_over_seat", HandOverIn)
class HandOverSeatView(SeatActionView):
    """Hand a seat over to another agent of the agency from a date on, free of charge."""

    body_class = HandOverIn

    def perform(
        self, seat: Seat, body: dict[str, Any], audit: dict[str, Any]
    ) -> list[Seat]:
        to = _agents(seat.agency, [body["agent"]])[body["agent"]]
        on = self.date_of(seat, body)
        return hand_over_seats(moves=[(seat, to)], on=on, **audit)


@_operation("transfer_seat", TransferIn)
class TransferSeatView(SeatActionView):
    """End a seat and add one at another agency on the same date."""

    body_class = TransferIn

    def perform(
        self, seat: Seat, body: dict[str, Any], audit: dict[str, Any]
    ) -> list[Seat]:
        to = _agents(self.agency(body["agency"]), [body["agent"]])[body["agent"]]
        on = self.date_of(seat, body)
        return transfer_seats(moves=[(seat, to)], on=on, **audit)


@_operation("cancel_seat", CancellationIn)
class CancelSeatView(SeatActionView):
    """Cancel a seat that was entered by mistake: no date of it is billed."""

    body_class = CancellationIn

    def perform(
        self, seat: Seat, body: dict[str, Any], audit: dict[str, Any]
    ) -> list[Seat]:
        return cancel_seats(seats=[seat], **audit)


@_operation("reopen_seat", ReopeningIn)
class ReopenSeatView(SeatActionView):
    """Undo the removal of a seat."""

    body_class = ReopeningIn

    def perform(
        self, seat: Seat, body: dict[str, Any], audit: dict[str, Any]
    ) -> list[Seat]:
        return reopen_seats(seats=[seat], **audit)


def _seats() -> QuerySet[Seat]:
    return Seat.objects.select_related("agency", "agent").prefetch_related(
        "holdings__agent"
    )


def _held_on(on: date) -> Q:
    ends = Q(holdings__ends_on=None) | Q(holdings__ends_on__gt=on)
    return ends & Q(holdings__starts_on__lte=on)


def _seat_bodies(seats: Sequence[Seat]) -> list[dict[str, Any]]:
    rows = _seats().filter(pk__in=[seat.pk for seat in seats]).order_by("pk")
    return list(SeatOut(rows, many=True).data)


def _agents(agency: Agency, names: Sequence[str]) -> dict[str, Agent]:
    """Agents of an agency by their external ids. Raises UnknownAgent."""
    rows = Agent.objects.filter(agency=agency, external_id__in=names)
    agents = {agent.external_id: agent for agent in rows}
    for name in names:
        if name not in agents:
            message = f"{agency.code} has no agent {shown(name)}. Add the agent first."
            raise UnknownAgent(message, field="agent")
    return agents


def _checked_many(
    view: KeyView, kind: type[BaseSerializer[Any]], request: Request
) -> list[dict[str, Any]]:
    if not is_list_body(request):
        return [view.checked(kind, request.data)]
    if not 0 < len(request.data) <= MOST:
        raise ValidationError(
            f"The list has {len(request.data)} entries. Send between 1 and {MOST}."
        )
    return list(view.checked(kind, request.data, many=True))


def _by_agency(many: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for body in many:
        groups.setdefault(body.get("agency", ""), []).append(body)
    return groups


def _by_date(many: Sequence[dict[str, Any]], today: date) -> dict[date, list[str]]:
    groups: dict[date, list[str]] = {}
    for body in many:
        groups.setdefault(body.get("on") or today, []).append(body["agent"])
    return groups


def _without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}
