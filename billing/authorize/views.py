"""May this agent dial now? Asked before each call, so it does no more than it must."""

import logging

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from billing.authorize.queries import may_dial
from billing.authorize.serializers import VerdictOut
from billing.authorize.verdicts import NOT_CHECKED, Verdict
from seats.keys.views import KeyView

LONGEST = 64
log = logging.getLogger(__name__)
AGENT = OpenApiParameter(
    "agent",
    {"type": "string", "minLength": 1, "maxLength": LONGEST},
    required=True,
    description="The dialer's own name.",
)
AGENCY = OpenApiParameter("agency", str, description="A code; the key's own.")


class AuthorizeView(KeyView):
    """Whether an agent may dial: a seat today, good standing, budgets that hold."""

    required_scope = "authorize:read"
    pagination_class = None
    rate = "AUTHORIZE_REQUESTS_A_MINUTE"

    @extend_schema(
        operation_id="authorize",
        summary="May this agent dial now?",
        parameters=[AGENT, AGENCY],
        responses=VerdictOut,
    )
    def get(self, request: Request) -> HttpResponse:
        agent = request.query_params.get("agent", "")
        code = request.query_params.get("agency", "")
        if not (0 < len(agent) <= LONGEST and agent.isprintable()):
            raise ValidationError({"agent": ["Name an agent."]}, "invalid")
        verdict = None
        if code.isprintable():
            verdict = may_dial(key=self.key, code=code, agent=agent, now=self.now)
        if verdict is None:
            raise NotFound
        return _told(verdict, checked=True)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Without a database the setting answers, and the log says so."""
        if not isinstance(exc, OperationalError | InterfaceError):
            return super().handle_exception(exc)
        allowed = bool(settings.BILLING["AUTHORIZE_FAIL_OPEN"])
        log.error("authorize without the database: allowed=%s, %s", allowed, type(exc))
        return _told(Verdict(allowed, [NOT_CHECKED]), checked=False)


def _told(verdict: Verdict, *, checked: bool) -> HttpResponse:
    told = {
        "allowed": verdict.allowed,
        "reasons": verdict.reasons,
        "seat": verdict.seat,
        "budget": verdict.budget,
        "checked": checked,
    }
    return HttpResponse(msgspec.json.encode(told), content_type="application/json")
