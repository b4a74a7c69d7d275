"""Middleware: time limits for the database, caching, and too many log-ins."""

from collections.abc import Callable

from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control

from config.database.patience import waiting_at_most
from config.http.errors import bad_request
from config.http.login import TooManyAttempts
from config.http.paths import URGENT


class Patience:
    """Limits how long a request waits for the database; shortest for a dialer's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        kind = "AUTHORIZE" if request.path == URGENT else "REQUESTS"
        with waiting_at_most(settings.DATABASE_PATIENCE[kind].total_seconds()):
            return self.get_response(request)


class Answers:
    """Keeps responses out of caches, and refuses what any view could trip over.

    That is 429 for too many failed log-ins, and 400 for NUL characters, which no text of
    the database can hold.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        # Most responses contain money or people; public ones set their own header.
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, no_store=True)
        return response

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        if isinstance(exception, DataError) and "NUL (0x00)" in str(exception):
            return bad_request(request, exception)  # a view that did not expect one
        if not isinstance(exception, TooManyAttempts):
            return None
        return HttpResponse(
            '<!doctype html><html lang="en"><title>Too many attempts</title>'
            f"<h1>Too many attempts</h1><p>{exception}",
            status=429,
            headers={"Retry-After": str(exception.wait)},
        )
