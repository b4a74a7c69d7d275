"""Payments received and statements of account, over the API."""

from datetime import timedelta
from decimal import Decimal

from django.db.models import Sum, Value
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.invoicing.models.documents import Document
from billing.processors.domain.port import MANUAL
from billing.receivables.api.serializers import (
    PaymentFilter,
    PaymentIn,
    PaymentOut,
    StatementFilter,
    StatementOut,
)
from billing.receivables.domain.scopes import PaymentScope
from billing.receivables.models import Payment
from billing.receivables.queries.statements import account_statement
from billing.receivables.services.payments import receive_payment
from core.errors import NotFound
from seats.api_keys.api.views import KeyView


class PaymentsView(KeyView):
    """Payments of the payers within reach; platform keys may record one."""

    required_scope = {"GET": PaymentScope.READ, "POST": PaymentScope.WRITE}
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
        self.require_platform()
        params = self.checked(PaymentIn, request.data)
        payer = self.agency(params["agency"])
        document = None
        if "invoice" in params:
            own = Document.objects.filter(payer=payer).exclude(state="draft")
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


class StatementView(KeyView):
    """The statement of account of an agency as a payer, with running balances."""

    required_scope = PaymentScope.READ
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
