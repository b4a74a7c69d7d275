"""May this agent dial now? Asked before each call, so it does no more than it must."""

import logging
from typing import Any

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from billing.authorize.queries import may_dial
from billing.authorize.serializers import VerdictOut
from billing.authorize.verdicts import NOT_CHECKED, Verdict
from seats.keys.services import bearer_secret, is_use_recorded, token_digest
from seats.keys.views import KeyView

LONGEST = 64
# What is asked like this needs no negotiation.
PARAMETERS = {"agent", "agency"}
ACCEPTED = {"", "*/*", "application/json"}
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

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Who asks plainly, with a good key, about what is there, is told at once.

        All others go through DRF, which asks once more and says what is wrong.
        """
        try:
            verdict = self._at_once(request)
        except (OperationalError, InterfaceError) as error:
            return self.handle_exception(error)
        if verdict is None:
            return super().dispatch(request, *args, **kwargs)
        return _told(verdict, checked=True)

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
            raise ValidationError({"agent": ["Name an agent."]}, "invalid")
        answer = None
        if code.isprintable():
            answer = may_dial(
                digest=self.key.digest, code=code, agent=agent, now=self.now
            )
        if answer is None or answer.verdict is None:
            raise NotFound
        return _told(answer.verdict, checked=True)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Without a database the setting answers, and the log says so."""
        if not isinstance(exc, OperationalError | InterfaceError):
            return super().handle_exception(exc)
        allowed = bool(settings.BILLING["AUTHORIZE_FAIL_OPEN"])
        log.error("authorize without the database: allowed=%s, %s", allowed, type(exc))
        return _told(Verdict(allowed, [NOT_CHECKED]), checked=False)

    def _at_once(self, request: HttpRequest) -> Verdict | None:
        """The verdict, if nothing at all stands against telling it."""
        secret = bearer_secret(request.META.get("HTTP_AUTHORIZATION", ""))
        agent, code = request.GET.get("agent", ""), request.GET.get("agency", "")
        if not (
            secret and _is_plain(request) and _is_name(agent) and code.isprintable()
        ):
            return None
        answer = may_dial(
            digest=token_digest(secret), code=code, agent=agent, now=self.now
        )
        if answer is None or self.required_scope not in answer.key.scopes:
            return None
        if answer.verdict is None or not is_use_recorded(answer.key, now=self.now):
            return None
        asked = Request(request)
        asked.auth = answer.key
        within = all(one.allow_request(asked, self) for one in self.get_throttles())
        return answer.verdict if within else None


def _is_plain(request: HttpRequest) -> bool:
    return (
        request.method == "GET"
        and request.GET.keys() <= PARAMETERS
        and request.META.get("HTTP_ACCEPT", "") in ACCEPTED
    )


def _is_name(agent: str) -> bool:
    return 0 < len(agent) <= LONGEST and agent.isprintable()


def _told(verdict: Verdict, *, checked: bool) -> HttpResponse:
    told = {
        "allowed": verdict.allowed,
        "reasons": verdict.reasons,
        "seat": verdict.seat,
        "budget": verdict.budget,
        "checked": checked,
    }
    return HttpResponse(msgspec.json.encode(told), content_type="application/json")
