"""The endpoint that receives webhooks of processors."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.collection.services.inbound_events import receive_event
from billing.processors.models import PaymentProcessor
from core.errors import BodyTooLarge

MAX_BODY_BYTES = 512 * 1024  # bytes


class ProcessorWebhookView(APIView):
    """The webhook endpoint of a processor, authenticated by the event's signature."""

    rate = "PROCESSOR_REQUESTS_A_MINUTE"

    authentication_classes = ()
    permission_classes = ()
    parser_classes = ()

    @extend_schema(
        operation_id="receive_processor_event",
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
