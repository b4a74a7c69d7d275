"""The route of dunning."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.dunning.models import DunningCase
from billing.dunning.queries import with_debts
from billing.dunning.serializers import DunningFilter, DunningOut
from seats.keys.views import KeyView


class DunningView(KeyView):
    """Open cases of the payers within reach."""

    required_scope = "payments:read"
    serializer_class = DunningOut

    @extend_schema(
        operation_id="list_dunning",
        summary="Who owes late, and what comes next",
        parameters=[DunningFilter],
        responses=DunningOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(DunningFilter, request.query_params)
        rows = self.within(DunningCase.objects.filter(closed_at=None), "payer")
        if "agency" in told:
            rows = rows.filter(payer=self.agency(told["agency"]))
        page = self.paginate_queryset(rows.select_related("payer", "invoice"))
        cases = with_debts(page or [], now=self.now)
        return self.get_paginated_response(DunningOut(cases, many=True).data)
