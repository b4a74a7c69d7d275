"""Refunds of payments, over the API."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.collection.api.serializers import RefundIn, RefundOut
from billing.collection.services.refund_requests import start_refund
from billing.receivables.domain.scopes import PaymentScope
from billing.receivables.models import Payment
from seats.api_keys.api.views import KeyView


class RefundsView(KeyView):
    """Refunds of a payment."""

    required_scope = PaymentScope.WRITE
    serializer_class = RefundOut
    pagination_class = None

    @extend_schema(
        operation_id="refund_payment",
        summary="Refund a payment (platform keys only)",
        description="A payment through a processor is refunded by the processor: the"
        " response is the refund request, and the webhook event `payment.refunded` or"
        " `refund.failed` reports its outcome. For a bank transfer or a check, the"
        " refund that you made by hand is recorded.",
        request=RefundIn,
        responses={200: RefundOut},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        self.require_platform()
        params = self.checked(RefundIn, request.data)
        payment = get_object_or_404(
            Payment.objects.select_related("payer"), public_id=public_id
        )
        refund = start_refund(payment=payment, actor=self.actor, now=self.now, **params)
        return Response(RefundOut(refund).data)
