"""Errors as RFC 9457 problem details with a stable code."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework.exceptions import APIException, NotFound
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.views import set_rollback

from seats.errors import Refusal

CONTENT_TYPE = "application/problem+json"
API = "/api/"
# What stands against something that is there already; all other refusals are 422.
STATUSES = dict.fromkeys(
    [
        "agent_exists",
        "agent_has_a_seat",
        "budget_exists",
        "charge_under_way",
        "code_taken",
        "collection_on_hold",
        "method_taken",
        "payment_differs",
        "processor_known",
        "refund_differs",
        "seat_has_a_holder",
    ],
    409,
)


def problem(
    status: int, code: str, detail: str, *, field: str = "", **headers: str
) -> JsonResponse:
    """One problem; `field` says where in what was sent."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if field:
        content["field"] = field
    return JsonResponse(
        content, status=status, content_type=CONTENT_TYPE, headers=headers
    )


def as_problem(error: Exception, context: dict[str, Any]) -> JsonResponse | None:
    """What went wrong as a problem; None for what is our own fault."""
    if isinstance(error, Refusal):
        set_rollback()
        status = getattr(error, "status", STATUSES.get(error.code, 422))
        return problem(status, error.code, error.message, field=error.field or "")
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = Forbidden()
    if not isinstance(error, APIException):
        return None
    set_rollback()
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    field, detail = _first_of("", error.detail)
    code = error.get_codes()
    return problem(
        error.status_code,
        code if isinstance(code, str) else "invalid",
        str(detail),
        field=field,
        **headers,
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """What no route even saw: a problem for programs, a page for people."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return problem(400, "bad_request", "The request is not well formed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """No such route: a problem for programs, a page for people."""
    if not request.path.startswith(API):
        return defaults.page_not_found(request, exception)
    return problem(404, "not_found", "Not found.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Our own fault: a problem for programs, a page for people."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return problem(500, "server_error", "This is our fault; try again later.")


def _first_of(path: str, detail: Any) -> tuple[str, Any]:
    """Where the first problem of many is, written as seats[0].on, and what it is."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        if isinstance(name, int):
            return _first_of(f"{path}[{name}]", inner)
        name = "" if name == "non_field_errors" else name
        return _first_of(f"{path}.{name}".strip("."), inner)
    if isinstance(detail, list):
        return _first_of(path, detail[0])
    return path, detail
