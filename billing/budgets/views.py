"""The routes of budgets."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from billing.budgets.models import Budget
from billing.budgets.serializers import (
    BudgetChangeIn,
    BudgetFilter,
    BudgetIn,
    BudgetOut,
)
from billing.budgets.services import add_budget, change_budget, remove_budget
from billing.metering.queries import UnknownMeter
from billing.pricing.models import Meter
from seats.errors import UnknownAgent
from seats.keys.views import KeyView
from seats.models import Agency, Agent

SCOPES = {
    "GET": "budgets:read",
    "POST": "budgets:write",
    "PATCH": "budgets:write",
    "DELETE": "budgets:write",
}


class BudgetsView(KeyView):
    """Budgets of the agencies within reach."""

    required_scope = SCOPES
    serializer_class = BudgetOut

    @extend_schema(
        operation_id="list_budgets",
        summary="Budgets, and how far each has come",
        parameters=[BudgetFilter],
        responses=BudgetOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(BudgetFilter, request.query_params)
        rows = _seen(self)
        if "agency" in told:
            rows = rows.filter(agency=self.agency(told["agency"]))
        return self.page(rows, BudgetOut, reached=self.reached)

    @extend_schema(
        operation_id="add_budget",
        summary="Set a budget from this month on",
        request=BudgetIn,
        responses={201: BudgetOut},
    )
    def post(self, request: Request) -> Response:
        told = self.checked(BudgetIn, request.data)
        agency = self.agency(told.pop("agency", ""))
        budget = add_budget(
            **{**told, **_things(agency, told)},
            agency=agency,
            owner=self.key.agency,
            actor=self.actor,
            now=self.now,
        )
        return Response(_shown(budget), status=201)


class BudgetView(KeyView):
    """One budget within reach."""

    required_scope = SCOPES
    serializer_class = BudgetOut
    pagination_class = None

    @extend_schema(operation_id="get_budget", summary="A budget", responses=BudgetOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        budget = _one_of(_seen(self), public_id)
        return Response(BudgetOut(budget, context={"reached": self.reached}).data)

    @extend_schema(
        operation_id="change_budget",
        summary="Change how much, how hard, or when to tell",
        request=BudgetChangeIn,
        responses=BudgetOut,
    )
    def patch(self, request: Request, public_id: UUID) -> Response:
        told = self.checked(BudgetChangeIn, request.data)
        budget = self._budget(public_id)
        changed = change_budget(
            budget=budget, actor=self.actor, owner=self.key.agency, **told
        )
        return Response(_shown(changed))

    @extend_schema(
        operation_id="remove_budget", summary="Remove a budget", responses={204: None}
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        remove_budget(budget=self._budget(public_id))
        return Response(status=204)

    def _budget(self, public_id: UUID) -> Budget:
        return _one_of(self.within(_budgets(), "agency"), public_id)


def _one_of(rows: QuerySet[Budget], public_id: UUID) -> Budget:
    budget = rows.filter(public_id=public_id).first()
    if budget is None:
        raise NotFound
    return budget


def _seen(view: KeyView) -> QuerySet[Budget]:
    """Budgets of agencies within reach, and those that agencies within reach set."""
    if view.reached is None:
        return _budgets()
    return _budgets().filter(Q(agency__in=view.reached) | Q(owner__in=view.reached))


def _budgets() -> QuerySet[Budget]:
    rows = Budget.objects.select_related("agency", "owner", "agent", "meter")
    return rows.prefetch_related("months")


def _shown(budget: Budget) -> dict[str, Any]:
    return dict(BudgetOut(_budgets().get(pk=budget.pk)).data)


def _things(agency: Agency, told: dict[str, Any]) -> dict[str, Any]:
    """The agent and the meter that were named. Raises UnknownAgent, UnknownMeter."""
    found: dict[str, Any] = {}
    if "agent" in told:
        agents = Agent.objects.filter(agency=agency, external_id=told["agent"])
        found["agent"] = agents.first()
        if found["agent"] is None:
            message = f"{agency.code} has no agent {told['agent']}."
            raise UnknownAgent(message, field="agent")
    if "meter" in told:
        found["meter"] = Meter.objects.filter(code=told["meter"]).first()
        if found["meter"] is None:
            raise UnknownMeter(f"Unknown meter {told['meter']}.", field="meter")
    return found
