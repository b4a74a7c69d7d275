"""Errors as RFC 9457 problem details with a stable code."""

import sys
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.views.defaults import ERROR_PAGE_TEMPLATE
from rest_framework.exceptions import APIException, NotFound, Throttled
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.views import set_rollback

from config.http import outages
from config.http.throttling import WINDOW, count_refusal
from core.errors import Kind, Refusal

CONTENT_TYPE = "application/problem+json"
API = "/api/"
STATUSES: dict[Kind, int] = {
    Kind.INVALID: 422,
    Kind.MALFORMED: 400,
    Kind.TOO_LARGE: 413,
    Kind.LENGTH_REQUIRED: 411,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.FORBIDDEN: 403,
    Kind.UNAVAILABLE: 503,
}
# Views refuse with these before they check how many requests the caller has left.
BEFORE_THROTTLES = {401, 403, 406}


def problem(
    status: int, code: str, detail: str, *, field: str = "", **headers: str
) -> JsonResponse:
    """A problem response; `field` is the path of the invalid input."""
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


def as_problem(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's exception handler: the error as a problem; None for a bug of ours."""
    request = context["request"]
    if isinstance(error, Refusal):
        set_rollback()
        status = STATUSES[error.kind]
        return problem(status, error.code, error.message, field=error.field or "")
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = Forbidden()
    if outages.is_outage(error):
        set_rollback()
        return _unavailable(error, request.path)
    if not isinstance(error, APIException):
        return None
    set_rollback()
    early = error.status_code in BEFORE_THROTTLES
    if early and not count_refusal(request):
        error = Throttled(WINDOW)
    return _problem_of(error)


def _problem_of(error: APIException) -> JsonResponse:
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
    """A malformed request: a problem for the API, a page for browsers."""
    if not request.path.startswith(API):
        return _page(400, "Bad Request (400)")
    return problem(400, "bad_request", "The request is malformed.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """What the user may not do; views of the API answer with a problem themselves."""
    return _page(403, "403 Forbidden")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """An unknown path: a problem for the API, a page for browsers."""
    if not request.path.startswith(API):
        details = "The requested resource was not found on this server."
        return _page(404, "Not Found", details)
    return problem(404, "not_found", "Not found.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """A bug or an outage: a problem for the API, a page for browsers.

    Handles all uncaught exceptions, including those of middlewares.
    """
    error = sys.exc_info()[1]
    if error is not None and outages.is_outage(error):
        return _unavailable(error, request.path)
    if not request.path.startswith(API):
        return _page(500, "Server Error (500)")
    return problem(
        500, "server_error", "An error occurred on the server. Try again later."
    )


def _page(status: int, title: str, details: str = "") -> HttpResponse:
    """Django's page for an error.

    Django's own views of it read the body of the request, which may be the error.
    """
    names = {"title": title, "details": details}
    return HttpResponse(ERROR_PAGE_TEMPLATE % names, status=status)


def _unavailable(error: BaseException, path: str) -> HttpResponse:
    """A 503 response, with one line in the log instead of Django's traceback."""
    outages.note_outage(error, path)
    headers = {"Retry-After": str(outages.RETRY_AFTER)}
    if path.startswith(API):
        answer: HttpResponse = problem(
            503, "database_unavailable", outages.MESSAGE, **headers
        )
    else:
        answer = HttpResponse(outages.PAGE, status=503, headers=headers)
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def _first_of(path: str, detail: Any) -> tuple[str, Any]:
    """The path (such as seats[0].on) and the message of the first of many problems."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        if isinstance(name, int):
            return _first_of(f"{path}[{name}]", inner)
        name = "" if name == "non_field_errors" else name
        return _first_of(f"{path}.{name}".strip("."), inner)
    if isinstance(detail, list):
        return _first_of(path, detail[0])
    return path, detail
