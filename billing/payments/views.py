"""API views of payments, refunds, statements of account and processor webhooks."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Sum, Value
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.invoicing.models import Document
from billing.payments.models import Payment, PaymentProcessor
from billing.payments.queries.statements import account_statement
from billing.payments.serializers import (
    PaymentFilter,
    PaymentIn,
    PaymentOut,
    RefundIn,
    RefundOut,
    StatementFilter,
    StatementOut,
)
from billing.payments.services.answers import receive_event
from billing.payments.services.receiving import MANUAL, receive_payment
from billing.payments.services.returning import start_refund
from seats.errors import Refusal
from seats.keys.views import KeyView

MAX_BODY_BYTES = 512 * 1024  # bytes


class BodyTooLarge(Refusal):
    code = "body_too_large"
    status = 413


class PaymentsView(KeyView):
    """Payments of the payers within reach; platform keys may record one."""

    required_scope = {"GET": "payments:read", "POST": "payments:write"}
    serializer_class = PaymentOut

    @extend_schema(
        operation_id="list_payments",
        summary="List payments received",
        parameters=[PaymentFilter],
        responses=PaymentOut(many=True),
    )
    def get(self, request: Request) -> Response:
        params = self.checked(PaymentFilter, request.query_params)
        rows = self.within(Payment.objects.all(), "payer").select_related("payer")
        rows = rows.annotate(
            refunded=Coalesce(Sum("refunds__amount"), Value(Decimal(0)))
        )
        if "agency" in params:
            rows = rows.filter(payer=self.agency(params["agency"]))
        if "processor" in params:
            rows = rows.filter(processor=params["processor"])
        return self.page(rows, PaymentOut)

    @extend_schema(
        operation_id="record_payment",
        summary="Record a bank transfer or a check (platform keys only)",
        request=PaymentIn,
        responses={200: PaymentOut},
    )
    def post(self, request: Request) -> Response:
        if self.key.agency_id is not None:
            raise PermissionDenied
        params = self.checked(PaymentIn, request.data)
        payer = self.agency(params["agency"])
        document = None
        if "invoice" in params:
            own = Document.objects.filter(payer=payer).exclude(status="draft")
            document = own.filter(public_id=params["invoice"]).first()
            if document is None:
                raise NotFound
        payment = receive_payment(
            payer=payer,
            amount=params["amount"],
            currency=params["currency"],
            processor=MANUAL,
            reference=params["reference"],
            method=params.get("method", ""),
            document=document,
            actor=self.actor,
            now=self.now,
        )
        refunds = payment.refunds.aggregate(sum=Sum("amount"))["sum"]
        payment.refunded = refunds or Decimal(0)  # type: ignore[attr-defined]
        return Response(PaymentOut(payment).data)


class RefundsView(KeyView):
    """Refunds of a payment."""

    required_scope = "payments:write"
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
        if self.key.agency_id is not None:
            raise PermissionDenied
        params = self.checked(RefundIn, request.data)
        payment = get_object_or_404(
            Payment.objects.select_related("payer"), public_id=public_id
        )
        refund = start_refund(payment=payment, actor=self.actor, now=self.now, **params)
        return Response(RefundOut(refund).data)


class StatementView(KeyView):
    """The statement of account of an agency as a payer, with running balances."""

    required_scope = "payments:read"
    serializer_class = StatementOut
    pagination_class = None

    @extend_schema(
        operation_id="get_statement",
        summary="Get a statement of account",
        parameters=[StatementFilter],
        responses=StatementOut,
    )
    def get(self, request: Request) -> Response:
        params = self.checked(StatementFilter, request.query_params)
        payer = self.agency(params.get("agency", ""))
        statement = account_statement(
            payer=payer,
            starts_on=params.get("from"),
            ends_on=params.get("to") or self.today(payer) + timedelta(days=1),
        )
        return Response(StatementOut(statement).data)


class ProcessorWebhookView(APIView):
    """The webhook endpoint of a processor, authenticated by the event's signature."""

    rate = "PROCESSOR_REQUESTS_A_MINUTE"

    authentication_classes = ()
    permission_classes = ()
    parser_classes = ()

    @extend_schema(
        operation_id="tell_outcome",
        summary="Receive a processor event, signed as a Standard Webhook or by Stripe",
        request={"application/json": OpenApiTypes.OBJECT},
        responses={204: None},
        auth=[],
    )
    def post(self, request: Request, code: str) -> Response:
        processor = get_object_or_404(PaymentProcessor, code=code)
        body = request._request.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(
                f"The body is larger than {MAX_BODY_BYTES} bytes. Send a smaller event."
            )
        headers = {name.lower(): value for name, value in request.headers.items()}
        receive_event(
            processor=processor, headers=headers, body=body, now=timezone.now()
        )
        return Response(status=204)
