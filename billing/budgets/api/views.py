"""The API routes of budgets."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.budgets.api.serializers import (
    BudgetChangeIn,
    BudgetFilter,
    BudgetIn,
    BudgetOut,
)
from billing.budgets.domain.scopes import BudgetScope
from billing.budgets.models import Budget
from billing.budgets.services.budgets import add_budget, change_budget, remove_budget
from billing.metering.queries.usage import UnknownMeter
from billing.pricing.models import Meter
from core.errors import NotFound, UnknownAgent
from core.parsing.values import shown
from seats.api_keys.api.views import KeyView
from seats.models import Agency, Agent

SCOPES = {
    "GET": BudgetScope.READ,
    "POST": BudgetScope.WRITE,
    "PATCH": BudgetScope.WRITE,
    "DELETE": BudgetScope.WRITE,
}


class BudgetsView(KeyView):
    """The budgets that the API key can see."""

    required_scope = SCOPES
    serializer_class = BudgetOut

    @extend_schema(
        operation_id="list_budgets",
        summary="List budgets and how much of each is used",
        parameters=[BudgetFilter],
        responses=BudgetOut(many=True),
    )
    def get(self, request: Request) -> Response:
        params = self.checked(BudgetFilter, request.query_params)
        rows = _visible_budgets(self)
        if "agency" in params:
            rows = rows.filter(agency=self.agency(params["agency"]))
        return self.page(rows, BudgetOut, reached=self.reached)

    @extend_schema(
        operation_id="add_budget",
        summary="Add a budget from this month on",
        request=BudgetIn,
        responses={201: BudgetOut},
    )
    def post(self, request: Request) -> Response:
        payload = self.checked(BudgetIn, request.data)
        agency = self.agency(payload.pop("agency", ""))
        budget = add_budget(
            **{**payload, **_agent_and_meter(agency, payload)},
            agency=agency,
            owner=self.key.agency,
            actor=self.actor,
            now=self.now,
        )
        return Response(_body(budget), status=201)


class BudgetView(KeyView):
    """A budget that the API key can see, or change."""

    required_scope = SCOPES
    serializer_class = BudgetOut
    pagination_class = None

    @extend_schema(
        operation_id="get_budget", summary="Get a budget", responses=BudgetOut
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        budget = _get(_visible_budgets(self), public_id)
        return Response(BudgetOut(budget, context={"reached": self.reached}).data)

    @extend_schema(
        operation_id="change_budget",
        summary="Change a budget's limit, `hard` or thresholds",
        request=BudgetChangeIn,
        responses=BudgetOut,
    )
    def patch(self, request: Request, public_id: UUID) -> Response:
        changes = self.checked(BudgetChangeIn, request.data)
        budget = self._budget(public_id)
        changed = change_budget(
            budget=budget, actor=self.actor, owner=self.key.agency, **changes
        )
        return Response(_body(changed))

    @extend_schema(
        operation_id="remove_budget", summary="Remove a budget", responses={204: None}
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        remove_budget(budget=self._budget(public_id))
        return Response(status=204)

    def _budget(self, public_id: UUID) -> Budget:
        return _get(self.within(_budgets(), "agency"), public_id)


def _get(rows: QuerySet[Budget], public_id: UUID) -> Budget:
    budget = rows.filter(public_id=public_id).first()
    if budget is None:
        raise NotFound
    return budget


def _visible_budgets(view: KeyView) -> QuerySet[Budget]:
    """Budgets of the agencies within reach, and budgets that such agencies set."""
    if view.reached is None:
        return _budgets()
    return _budgets().filter(Q(agency__in=view.reached) | Q(owner__in=view.reached))


def _budgets() -> QuerySet[Budget]:
    rows = Budget.objects.select_related("agency", "owner", "agent", "meter")
    return rows.prefetch_related("months")


def _body(budget: Budget) -> dict[str, Any]:
    return dict(BudgetOut(_budgets().get(pk=budget.pk)).data)


def _agent_and_meter(agency: Agency, payload: dict[str, Any]) -> dict[str, Any]:
    """The agent and the meter of the payload. Raises UnknownAgent, UnknownMeter."""
    objects: dict[str, Any] = {}
    if "agent" in payload:
        agents = Agent.objects.filter(agency=agency, external_id=payload["agent"])
        objects["agent"] = agents.first()
        if objects["agent"] is None:
            message = f"There is no agent {shown(payload['agent'])}."
            raise UnknownAgent(message, field="agent")
    if "meter" in payload:
        objects["meter"] = Meter.objects.filter(code=payload["meter"]).first()
        if objects["meter"] is None:
            message = f"There is no meter {shown(payload['meter'])}."
            raise UnknownMeter(message, field="meter")
    return objects
