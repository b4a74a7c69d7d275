"""The API route of dial plans."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.metering.domain.directions import ContextWords
from billing.metering.domain.scopes import UsageScope
from billing.metering.queries.dial_plans import context_words_of
from billing.metering.services.dial_plans import set_dial_plan
from seats.api_keys.api.views import KeyView
from seats.models import Agency
from seats.roster.api.serializers import DEFAULT_AGENCY, RequestBody

MOST_SENT = 1_000


class WordsField(serializers.ListField):
    """The words of a direction; the service says which are valid."""

    def __init__(self, **options: Any) -> None:
        child = serializers.CharField(trim_whitespace=False, allow_blank=True)
        super().__init__(**{"child": child, "max_length": MOST_SENT, **options})


class DialPlanOut(serializers.Serializer[Any]):
    """The words of an agency; empty lists without any of its own."""

    agency = serializers.CharField()
    inbound_words = serializers.ListField(child=serializers.CharField())
    outbound_words = serializers.ListField(child=serializers.CharField())


class DialPlanIn(RequestBody):
    """The words that replace those of before."""

    agency = serializers.CharField(required=False, help_text=DEFAULT_AGENCY)
    inbound_words = WordsField()
    outbound_words = WordsField()


class DialPlanFilter(serializers.Serializer[Any]):
    """The agency whose words are asked for."""

    agency = serializers.CharField(required=False, help_text=DEFAULT_AGENCY)


class DialPlanView(KeyView):
    """The words by which an agency's dial plan names its contexts."""

    required_scope = {"GET": UsageScope.READ, "PUT": UsageScope.WRITE}
    serializer_class = DialPlanOut
    pagination_class = None

    @extend_schema(
        operation_id="get_dial_plan",
        summary="Get the words of an agency's dial plan",
        parameters=[DialPlanFilter],
        responses=DialPlanOut,
    )
    def get(self, request: Request) -> Response:
        params = self.checked(DialPlanFilter, request.query_params)
        agency = self.agency(params.get("agency", ""))
        return Response(_body(agency, context_words_of(agency.pk)))

    @extend_schema(
        operation_id="set_dial_plan",
        summary="Replace the words of an agency's dial plan",
        request=DialPlanIn,
        responses=DialPlanOut,
    )
    def put(self, request: Request) -> Response:
        body = self.checked(DialPlanIn, request.data)
        agency = self.agency(body.pop("agency", ""))
        set_dial_plan(agency=agency, **body, actor=self.actor, now=self.now)
        return Response(_body(agency, context_words_of(agency.pk)))


def _body(agency: Agency, words: ContextWords) -> dict[str, Any]:
    return dict(
        DialPlanOut(
            {
                "agency": agency.code,
                "inbound_words": words.inbound,
                "outbound_words": words.outbound,
            }
        ).data
    )
