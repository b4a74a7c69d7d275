"""The Content-Security-Policy of each kind of page; see decision 37."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "Content-Security-Policy"
API = "/api/"
DOCS = "/api/docs/"
ACCOUNTS = "/accounts/"
_SHARED = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
NOTHING = _SHARED
# The two sites and errors. The theme's Alpine evaluates its attributes as code, and
# sets widths by style attributes; neither scripts nor style elements in a page are allowed.
SITES = _SHARED | {
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
}
# The pages of passkeys start their scripts in the page; none of them evaluates code.
ACCOUNT_PAGES = SITES | {
    "script-src": "'self' 'unsafe-inline'",
    "style-src": "'self' 'unsafe-inline'",
}
# Swagger UI is started by a script in the page, and adds style elements.
API_DOCS = _SHARED | {
    "script-src": "'self' 'unsafe-inline'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
}


class ContentPolicy:
    """Sets the policy of every response that has none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault(HEADER, _text(policy_of(request.path)))
        return response


def policy_of(path: str) -> dict[str, str]:
    """The directives for a path."""
    if path == DOCS:
        return API_DOCS
    if path.startswith(ACCOUNTS):
        return ACCOUNT_PAGES
    return NOTHING if path.startswith(API) else SITES


def _text(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())
