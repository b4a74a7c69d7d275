"""May this agent dial now? Called before each call, so it does no more than it must."""

import logging
from typing import Any

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from billing.authorize.api.serializers import VerdictOut
from billing.authorize.domain.decision import NOT_CHECKED, AuthorizeDecision
from billing.authorize.domain.scopes import AuthorizeScope
from billing.authorize.queries import may_dial
from core.errors import NotFound
from seats.api_keys.api.views import KeyView
from seats.api_keys.services import bearer_secret, is_use_recorded, token_digest

MAX_AGENT_LENGTH = 64
# Requests like this need no content negotiation.
PARAMETERS = {"agent", "agency"}
ACCEPTED = {"", "*/*", "application/json"}
AGENT_REQUIRED = "Name an agent: 1 to 64 printable characters in `agent`."
log = logging.getLogger(__name__)
AGENT = OpenApiParameter(
    "agent",
    {"type": "string", "minLength": 1, "maxLength": MAX_AGENT_LENGTH},
    required=True,
    description="The agent's name in the dialer (`external_id`).",
)
AGENCY = OpenApiParameter(
    "agency", str, description="An agency's code. Default: the API key's agency."
)


class AuthorizeView(KeyView):
    """Whether an agent may dial: a seat today, good standing, budgets that hold."""

    required_scope = AuthorizeScope.READ
    pagination_class = None
    rate = "AUTHORIZE_REQUESTS_A_MINUTE"

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Answer plain requests with a valid key directly, without DRF's overhead.

        All others go through DRF, which repeats the checks and explains what is wrong.
        """
        try:
            decision = self._decide_directly(request)
        except (OperationalError, InterfaceError) as error:
            return self.handle_exception(error)
        if decision is None:
            return super().dispatch(request, *args, **kwargs)
        return _response(decision, checked=True)

    @extend_schema(
        operation_id="authorize",
        summary="May this agent dial now?",
        parameters=[AGENT, AGENCY],
        responses=VerdictOut,
    )
    def get(self, request: Request) -> HttpResponse:
        agent = request.query_params.get("agent", "")
        code = request.query_params.get("agency", "")
        if not _is_name(agent):
            raise ValidationError({"agent": [AGENT_REQUIRED]}, "invalid")
        lookup = None
        if code.isprintable():
            lookup = may_dial(
                digest=self.key.digest, code=code, agent=agent, now=self.now
            )
        if lookup is None or lookup.decision is None:
            raise NotFound
        return _response(lookup.decision, checked=True)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Without a database, AUTHORIZE_FAIL_OPEN decides, and an error is logged."""
        if not isinstance(exc, OperationalError | InterfaceError):
            return super().handle_exception(exc)
        allowed = bool(settings.BILLING["AUTHORIZE_FAIL_OPEN"])
        log.error(
            "The database is unavailable; authorize answers allowed=%s. %s",
            allowed,
            type(exc),
        )
        return _response(AuthorizeDecision(allowed, [NOT_CHECKED]), checked=False)

    def _decide_directly(self, request: HttpRequest) -> AuthorizeDecision | None:
        """The decision; None if anything about the request needs DRF's full checks."""
        secret = bearer_secret(request.META.get("HTTP_AUTHORIZATION", ""))
        agent, code = request.GET.get("agent", ""), request.GET.get("agency", "")
        if not (
            secret and _is_plain(request) and _is_name(agent) and code.isprintable()
        ):
            return None
        lookup = may_dial(
            digest=token_digest(secret), code=code, agent=agent, now=self.now
        )
        if lookup is None or self.required_scope not in lookup.key.scopes:
            return None
        if lookup.decision is None or not is_use_recorded(lookup.key, now=self.now):
            return None
        drf_request = Request(request)
        drf_request.auth = lookup.key
        is_within_limits = all(
            throttle.allow_request(drf_request, self)
            for throttle in self.get_throttles()
        )
        return lookup.decision if is_within_limits else None


def _is_plain(request: HttpRequest) -> bool:
    return (
        request.method == "GET"
        and request.GET.keys() <= PARAMETERS
        and request.META.get("HTTP_ACCEPT", "") in ACCEPTED
    )


def _is_name(agent: str) -> bool:
    return 0 < len(agent) <= MAX_AGENT_LENGTH and agent.isprintable()


def _response(decision: AuthorizeDecision, *, checked: bool) -> HttpResponse:
    body = {
        "allowed": decision.allowed,
        "reasons": decision.reasons,
        "seat": decision.seat,
        "budget": decision.budget,
        "checked": checked,
    }
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")
