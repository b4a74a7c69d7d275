"""How payers are charged, and attempts to do so, over the API."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from billing.invoicing.models import Document
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentAttempt, PaymentMethod, PaymentProcessor
from billing.payments.serializers import (
    AttemptFilter,
    AttemptIn,
    AttemptOut,
    MethodFilter,
    PageIn,
    PageOut,
    PaymentMethodOut,
    SetupPageIn,
)
from billing.payments.services.methods import remove_method
from billing.payments.services.page_closing import close_payment_page
from billing.payments.services.pages import (
    Asked,
    open_payment_page,
    open_setup_page,
)
from billing.payments.services.requesting import request_charge
from seats.keys.views import KeyView

SCOPES = {
    "GET": "payments:read",
    "POST": "payments:write",
    "DELETE": "payments:write",
}
# The processor cannot be asked just now; to ask again is safe.
NOT_NOW = {"x-problems": [503]}
NOT_NOW_OR_UNDER_WAY = {"x-problems": [409, 503]}


class ChargingView(KeyView):
    """What these routes have in common."""

    required_scope = SCOPES

    def invoice(self, public_id: UUID) -> Document:
        """An invoice of a payer within reach. Raises NotFound."""
        rows = self.within(Document.objects.filter(kind="invoice"), "payer")
        rows = rows.exclude(status="draft").select_related("payer")
        invoice = rows.filter(public_id=public_id).first()
        if invoice is None:
            raise NotFound
        return invoice

    def processor(self, told: dict[str, Any]) -> PaymentProcessor | None:
        """The processor that is named. Raises NotFound."""
        if "processor" not in told:
            return None
        rows = PaymentProcessor.objects.filter(code=told["processor"])
        if not told["processor"].isprintable() or not rows:
            raise NotFound
        return rows[0]

    def asked(self, told: dict[str, Any]) -> Asked:
        """A page that is wanted. Raises NotFound."""
        return Asked(
            self.actor,
            told.get("return_url", ""),
            self.processor(told),
            self.key.agency,
        )


class PaymentMethodsView(ChargingView):
    """How payers within reach are charged."""

    serializer_class = PaymentMethodOut

    @extend_schema(
        operation_id="list_payment_methods",
        summary="The methods that payers are charged through",
        parameters=[MethodFilter],
        responses=PaymentMethodOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(MethodFilter, request.query_params)
        rows = self.within(PaymentMethod.objects.filter(removed_at=None), "payer")
        if "agency" in told:
            rows = rows.filter(payer=self.agency(told["agency"]))
        return self.page(rows.select_related("payer", "processor"), PaymentMethodOut)

    @extend_schema(
        operation_id="open_setup_page",
        summary="Open a page of the processor on which a payer saves a method",
        request=SetupPageIn,
        responses={201: PageOut},
        extensions=NOT_NOW,
    )
    def post(self, request: Request) -> Response:
        told = self.checked(SetupPageIn, request.data)
        payer = self.agency(told.get("agency", ""))
        page = open_setup_page(payer=payer, asked=self.asked(told), clock=timezone.now)
        return Response(PageOut(page).data, status=201)


class PaymentMethodView(ChargingView):
    """One method within reach."""

    serializer_class = PaymentMethodOut
    pagination_class = None

    @extend_schema(
        operation_id="remove_payment_method",
        summary="Charge the payer through it no more",
        responses={204: None},
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        rows = self.within(PaymentMethod.objects.all(), "payer")
        rows = rows.select_related("payer", "processor")
        method = rows.filter(public_id=public_id).first()
        if method is None:
            raise NotFound
        remove_method(method=method, actor=self.actor, now=self.now)
        return Response(status=204)


class PaymentPageView(ChargingView):
    """The page on which an invoice is paid."""

    serializer_class = PageOut
    pagination_class = None

    @extend_schema(
        operation_id="open_payment_page",
        summary="Open a page of the processor on which an invoice is paid",
        description="While it is open, the same page is given out again.",
        request=PageIn,
        responses={200: PageOut},
        extensions=NOT_NOW,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        told = self.checked(PageIn, request.data)
        page = open_payment_page(
            invoice=self.invoice(public_id),
            asked=self.asked(told),
            clock=timezone.now,
        )
        return Response(PageOut(page).data)

    @extend_schema(
        operation_id="close_payment_page",
        summary="Close the page that is open; what became of its attempt",
        request=None,
        responses={200: AttemptOut},
        extensions=NOT_NOW_OR_UNDER_WAY,
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        rows = HostedPage.objects.select_related("processor", "attempt__invoice__payer")
        rows = rows.filter(attempt__invoice=self.invoice(public_id))
        page = rows.filter(attempt__state__in=PaymentAttempt.OPEN).first()
        if page is None:
            raise NotFound
        return Response(
            AttemptOut(close_payment_page(page=page, clock=timezone.now)).data
        )


class AttemptsView(ChargingView):
    """Attempts to charge the payers within reach."""

    serializer_class = AttemptOut

    @extend_schema(
        operation_id="list_payment_attempts",
        summary="Attempts to charge invoices",
        parameters=[AttemptFilter],
        responses=AttemptOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(AttemptFilter, request.query_params)
        rows = self.within(PaymentAttempt.objects.all(), "invoice__payer")
        rows = rows.select_related("invoice__payer", "processor")
        if "agency" in told:
            rows = rows.filter(invoice__payer=self.agency(told["agency"]))
        if "invoice" in told:
            rows = rows.filter(invoice__public_id=told["invoice"])
        if "state" in told:
            rows = rows.filter(state=told["state"])
        return self.page(rows, AttemptOut)

    @extend_schema(
        operation_id="request_charge",
        summary="Charge all that is owed on an invoice; keys of the platform only",
        request=AttemptIn,
        responses={201: AttemptOut},
    )
    def post(self, request: Request) -> Response:
        if self.key.agency_id is not None:
            raise PermissionDenied
        told = self.checked(AttemptIn, request.data)
        attempt = request_charge(
            invoice=self.invoice(told["invoice"]),
            processor=self.processor(told),
            actor=self.actor,
            now=self.now,
        )
        return Response(AttemptOut(attempt).data, status=201)
