"""The API view of dunning cases."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.dunning.api.serializers import DunningFilter, DunningOut
from billing.dunning.models import DunningCase
from billing.dunning.queries import with_debts
from billing.receivables.domain.scopes import PaymentScope
from seats.api_keys.api.views import KeyView


class DunningView(KeyView):
    """Open dunning cases of the payers that the key reaches."""

    required_scope = PaymentScope.READ
    serializer_class = DunningOut

    @extend_schema(
        operation_id="list_dunning",
        summary="List open dunning cases and their next steps",
        parameters=[DunningFilter],
        responses=DunningOut(many=True),
    )
    def get(self, request: Request) -> Response:
        filters = self.checked(DunningFilter, request.query_params)
        rows = self.within(DunningCase.objects.filter(closed_at=None), "payer")
        if "agency" in filters:
            rows = rows.filter(payer=self.agency(filters["agency"]))
        page = self.paginate_queryset(rows.select_related("payer", "invoice"))
        cases = with_debts(page or [], now=self.now)
        return self.get_paginated_response(DunningOut(cases, many=True).data)
