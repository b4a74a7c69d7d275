"""People and programs that speak HTTP to a real web server."""

import json
import re
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from importlib import import_module
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from seats.models import User

TIMEOUT = 60  # seconds; no test waits this long when all is well


class Answer:
    """A whole response."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> dict[str, object]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


class Visitor:
    """Keeps cookies, as a browser does, or sends an API key."""

    def __init__(self, port: int, *, key: str = "", host: str = "") -> None:
        self.port = port
        self.cookies: SimpleCookie = SimpleCookie()
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        if host:
            self.headers["Host"] = host

    def get(self, path: str, **headers: str) -> Answer:
        return self._send("GET", path, None, headers)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self._send("POST", path, body, headers)

    def submit(self, path: str, fields: dict[str, str]) -> Answer:
        """Send a form with the token of the page that it stands on."""
        token = self.cookies["csrftoken"].value
        body = urlencode({**fields, "csrfmiddlewaretoken": token}, doseq=True)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", path, body.encode(), kind)

    def log_in(self, email: str, password: str) -> Answer:
        page = self.get("/accounts/login/")
        assert re.search("csrfmiddlewaretoken", page.text)
        fields = {"login": email, "password": password, "next": "/admin/"}
        return self.submit("/accounts/login/", fields)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        line = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        sent = {**self.headers, **headers}
        if self.cookies:
            pairs = (f"{name}={morsel.value}" for name, morsel in self.cookies.items())
            sent["Cookie"] = "; ".join(pairs)
        try:
            line.request(method, path, body, sent)
            answer = Answer(line.getresponse())
        finally:
            line.close()
        for header in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(header)
        return answer


def session_of(user: User) -> tuple[str, str]:
    """The name and the value of the cookie of a session, as logging in makes it."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return settings.SESSION_COOKIE_NAME, session.session_key
