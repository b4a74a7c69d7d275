"""From where changes come that requests, tasks and commands make; see `core.audit`."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import signals
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.http.limits import whole_address
from config.http.logs import LINKS
from core.audit import Origin, changes_from, identify, name_process
from seats.members.models import User

LONGEST_PATH = 500


class RequestOrigin:
    """Changes while a request is answered come from its address, and from its user.

    The key of the API is added where it is checked, a member whom support acts as where
    that begins.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = LINKS.sub(r"\1[key]", request.path)
        source = Origin(
            ip=whole_address(request),
            path=f"{request.method} {path}"[:LONGEST_PATH],
            request=str(uuid4()),
        )
        with changes_from(source):
            return self.get_response(request)


class UserOrigin:
    """Names the user of a session; its place is after those who look the user up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            user = request.user
            if isinstance(user, User):
                identify(actor=user.pk)
        return self.get_response(request)


@signals.task_prerun.connect
def name_task(*, task: Any, **_: Any) -> None:
    """A process does one task at a time, in threads of its own as well."""
    name_process(f"task {task.name}")


@signals.task_postrun.connect
def forget_task(**_: Any) -> None:
    name_process("")
