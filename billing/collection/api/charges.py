"""API views of payment methods, checkout pages and payment attempts."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.collection.api.serializers import (
    AttemptFilter,
    AttemptIn,
    AttemptOut,
    MethodFilter,
    PageIn,
    PageOut,
    PaymentMethodOut,
    SetupPageIn,
)
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import request_charge
from billing.collection.services.checkout import (
    PageOptions,
    open_payment_page,
    open_setup_page,
)
from billing.collection.services.checkout_closing import close_payment_page
from billing.collection.services.methods import remove_method
from billing.invoicing.models.documents import Document
from billing.processors.models import PaymentProcessor
from billing.receivables.domain.scopes import PaymentScope
from core.errors import NotFound
from seats.api_keys.api.views import KeyView

SCOPES = {
    "GET": PaymentScope.READ,
    "POST": PaymentScope.WRITE,
    "DELETE": PaymentScope.WRITE,
}
# The processor may be unreachable; retrying is safe.
MAY_BE_UNAVAILABLE = {"x-problems": [503]}
MAY_CONFLICT_OR_BE_UNAVAILABLE = {"x-problems": [409, 503]}


class ChargingView(KeyView):
    """Shared lookups; agencies see their own payers and those of their downline."""

    required_scope = SCOPES

    def invoice(self, public_id: UUID) -> Document:
        """An issued invoice of a payer within reach. Raises NotFound."""
        rows = self.within(Document.objects.filter(kind="invoice"), "payer")
        rows = rows.exclude(state="draft").select_related("payer")
        invoice = rows.filter(public_id=public_id).first()
        if invoice is None:
            raise NotFound
        return invoice

    def processor(self, params: dict[str, Any]) -> PaymentProcessor | None:
        """The processor in the request, or None if it names none. Raises NotFound."""
        if "processor" not in params:
            return None
        rows = PaymentProcessor.objects.filter(code=params["processor"])
        if not params["processor"].isprintable() or not rows:
            raise NotFound
        return rows[0]

    def page_options(self, params: dict[str, Any]) -> PageOptions:
        """The options of a checkout page in the request. Raises NotFound."""
        return PageOptions(
            self.actor,
            params.get("return_url", ""),
            self.processor(params),
            self.key.agency,
        )


class PaymentMethodsView(ChargingView):
    """Payment methods of the payers within reach."""

    serializer_class = PaymentMethodOut

    @extend_schema(
        operation_id="list_payment_methods",
        summary="List payment methods",
        parameters=[MethodFilter],
        responses=PaymentMethodOut(many=True),
    )
    def get(self, request: Request) -> Response:
        params = self.checked(MethodFilter, request.query_params)
        rows = self.within(PaymentMethod.objects.filter(removed_at=None), "payer")
        if "agency" in params:
            rows = rows.filter(payer=self.agency(params["agency"]))
        return self.page(rows.select_related("payer", "processor"), PaymentMethodOut)

    @extend_schema(
        operation_id="open_setup_page",
        summary="Open a checkout page on which a payer saves a payment method",
        request=SetupPageIn,
        responses={201: PageOut},
        extensions=MAY_BE_UNAVAILABLE,
    )
    def post(self, request: Request) -> Response:
        params = self.checked(SetupPageIn, request.data)
        payer = self.agency(params.get("agency", ""))
        page = open_setup_page(
            payer=payer, options=self.page_options(params), clock=timezone.now
        )
        return Response(PageOut(page).data, status=201)


class PaymentMethodView(ChargingView):
    """A payment method within reach."""

    serializer_class = PaymentMethodOut
    pagination_class = None

    @extend_schema(
        operation_id="remove_payment_method",
        summary="Remove a payment method; it is not charged any more",
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
    """The checkout page on which an invoice is paid."""

    serializer_class = PageOut
    pagination_class = None

    @extend_schema(
        operation_id="open_payment_page",
        summary="Open a checkout page on which an invoice is paid",
        description="While a page of the invoice is open, the same page is returned.",
        request=PageIn,
        responses={200: PageOut},
        extensions=MAY_BE_UNAVAILABLE,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        params = self.checked(PageIn, request.data)
        page = open_payment_page(
            invoice=self.invoice(public_id),
            options=self.page_options(params),
            clock=timezone.now,
        )
        return Response(PageOut(page).data)

    @extend_schema(
        operation_id="close_payment_page",
        summary="Close the open checkout page; returns its payment attempt",
        request=None,
        responses={200: AttemptOut},
        extensions=MAY_CONFLICT_OR_BE_UNAVAILABLE,
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        rows = CheckoutPage.objects.select_related(
            "processor", "attempt__invoice__payer"
        )
        rows = rows.filter(attempt__invoice=self.invoice(public_id))
        page = rows.filter(attempt__state__in=PaymentAttempt.OPEN).first()
        if page is None:
            raise NotFound
        return Response(
            AttemptOut(close_payment_page(page=page, clock=timezone.now)).data
        )


class AttemptsView(ChargingView):
    """Payment attempts of the payers within reach."""

    serializer_class = AttemptOut

    @extend_schema(
        operation_id="list_payment_attempts",
        summary="List payment attempts",
        parameters=[AttemptFilter],
        responses=AttemptOut(many=True),
    )
    def get(self, request: Request) -> Response:
        params = self.checked(AttemptFilter, request.query_params)
        rows = self.within(PaymentAttempt.objects.all(), "invoice__payer")
        rows = rows.select_related("invoice__payer", "processor")
        if "agency" in params:
            rows = rows.filter(invoice__payer=self.agency(params["agency"]))
        if "invoice" in params:
            rows = rows.filter(invoice__public_id=params["invoice"])
        if "state" in params:
            rows = rows.filter(state=params["state"])
        return self.page(rows, AttemptOut)

    @extend_schema(
        operation_id="request_charge",
        summary="Charge all that is owed on an invoice (platform keys only)",
        request=AttemptIn,
        responses={201: AttemptOut},
    )
    def post(self, request: Request) -> Response:
        self.require_platform()
        params = self.checked(AttemptIn, request.data)
        attempt = request_charge(
            invoice=self.invoice(params["invoice"]),
            processor=self.processor(params),
            actor=self.actor,
            now=self.now,
        )
        return Response(AttemptOut(attempt).data, status=201)
