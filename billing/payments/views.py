"""Payments, and statements of account, over the API."""

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
from billing.payments.services.answers import store_event
from billing.payments.services.receiving import MANUAL, receive_payment
from billing.payments.services.returning import give_back
from seats.errors import Refusal
from seats.keys.views import KeyView

LARGEST_ANSWER = 512 * 1024  # bytes


class AnswerTooLarge(Refusal):
    code = "body_too_large"
    status = 413


class PaymentsView(KeyView):
    """Payments of the payers within reach; the platform may record one."""

    required_scope = {"GET": "payments:read", "POST": "payments:write"}
    serializer_class = PaymentOut

    @extend_schema(
        operation_id="list_payments",
        summary="Payments received",
        parameters=[PaymentFilter],
        responses=PaymentOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(PaymentFilter, request.query_params)
        rows = self.within(Payment.objects.all(), "payer").select_related("payer")
        rows = rows.annotate(
            refunded=Coalesce(Sum("refunds__amount"), Value(Decimal(0)))
        )
        if "agency" in told:
            rows = rows.filter(payer=self.agency(told["agency"]))
        if "processor" in told:
            rows = rows.filter(processor=told["processor"])
        return self.page(rows, PaymentOut)

    @extend_schema(
        operation_id="record_payment",
        summary="Record a bank transfer or a cheque; keys of the platform only",
        request=PaymentIn,
        responses={200: PaymentOut},
    )
    def post(self, request: Request) -> Response:
        if self.key.agency_id is not None:
            raise PermissionDenied
        told = self.checked(PaymentIn, request.data)
        payer = self.agency(told["agency"])
        document = None
        if "invoice" in told:
            own = Document.objects.filter(payer=payer).exclude(status="draft")
            document = own.filter(public_id=told["invoice"]).first()
            if document is None:
                raise NotFound
        payment = receive_payment(
            payer=payer,
            amount=told["amount"],
            currency=told["currency"],
            processor=MANUAL,
            reference=told["reference"],
            method=told.get("method", ""),
            document=document,
            actor=self.actor,
            now=self.now,
        )
        refunds = payment.refunds.aggregate(sum=Sum("amount"))["sum"]
        payment.refunded = refunds or Decimal(0)  # type: ignore[attr-defined]
        return Response(PaymentOut(payment).data)


class RefundsView(KeyView):
    """Giving money of a payment back."""

    required_scope = "payments:write"
    serializer_class = RefundOut
    pagination_class = None

    @extend_schema(
        operation_id="refund_payment",
        summary="Give money of a payment back; keys of the platform only",
        description="A payment that a processor holds is given back by it: the answer"
        " is the request, and `payment.refunded` or `refund.failed` tells how it ended."
        " Of a bank transfer or a cheque, what was given back is recorded.",
        request=RefundIn,
        responses={200: RefundOut},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        if self.key.agency_id is not None:
            raise PermissionDenied
        told = self.checked(RefundIn, request.data)
        payment = get_object_or_404(
            Payment.objects.select_related("payer"), public_id=public_id
        )
        refund = give_back(payment=payment, actor=self.actor, now=self.now, **told)
        return Response(RefundOut(refund).data)


class StatementView(KeyView):
    """What an agency was charged and paid as a payer, with the balance after each."""

    required_scope = "payments:read"
    serializer_class = StatementOut
    pagination_class = None

    @extend_schema(
        operation_id="get_statement",
        summary="Statement of account",
        parameters=[StatementFilter],
        responses=StatementOut,
    )
    def get(self, request: Request) -> Response:
        told = self.checked(StatementFilter, request.query_params)
        payer = self.agency(told.get("agency", ""))
        statement = account_statement(
            payer=payer,
            starts_on=told.get("from"),
            ends_on=told.get("to") or self.today(payer) + timedelta(days=1),
        )
        return Response(StatementOut(statement).data)


class ProcessorWebhookView(APIView):
    """Where a processor answers; its signature is its key."""

    rate = "PROCESSOR_REQUESTS_A_MINUTE"

    authentication_classes = ()
    permission_classes = ()
    parser_classes = ()

    @extend_schema(
        operation_id="tell_outcome",
        summary="What a processor tells, signed as it signs: a Standard Webhook, or Stripe's",
        request={"application/json": OpenApiTypes.OBJECT},
        responses={204: None},
        auth=[],
    )
    def post(self, request: Request, code: str) -> Response:
        processor = get_object_or_404(PaymentProcessor, code=code)
        body = request._request.read(LARGEST_ANSWER + 1)
        if len(body) > LARGEST_ANSWER:
            raise AnswerTooLarge(f"At most {LARGEST_ANSWER} bytes.")
        headers = {name.lower(): value for name, value in request.headers.items()}
        store_event(processor=processor, headers=headers, body=body, now=timezone.now())
        return Response(status=204)
