"""Why a request got no answer. Pure.

Callers decide by the kind of a failure; its text is for people.
"""

import socket
from enum import StrEnum

import requests
from urllib3.exceptions import NewConnectionError

from core.outbound.addresses import NotAllowed


class Failure(StrEnum):
    """Why a request got no answer."""

    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"

    @property
    def had_no_address(self) -> bool:
        """Whether there was nowhere to connect to, so that nothing was ever sent.

        A connection that was refused does not count: whoever restarts gets the request
        again under the same key.
        """
        return self in {Failure.ADDRESS_NOT_ALLOWED, Failure.NAME_NOT_RESOLVED}


TEXTS = {
    Failure.ADDRESS_NOT_ALLOWED: "not allowed",
    Failure.NAME_NOT_RESOLVED: "dns: the host name has no address",
    Failure.CONNECT_FAILED: "connection: refused or unreachable",
    Failure.CONNECT_TIMEOUT: "timeout: no connection in time",
    Failure.TLS_FAILED: "tls: the certificate is not valid or the handshake failed",
    Failure.TIMEOUT: "timeout: no complete answer in time",
    Failure.CONNECTION_LOST: "connection: reset or closed before the answer",
}


class NoAnswer(Exception):
    """A request got no answer: `failure` is why, the message says it in one line."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(": ".join(filter(None, [TEXTS[failure], detail])))
        self.failure = failure


def no_answer_of(error: Exception, *, is_late: bool) -> NoAnswer:
    """The failure behind an error of the HTTP library; names no internal address.

    `is_late`: the time of the whole request was over.
    """
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NoAnswer(Failure.CONNECT_TIMEOUT)
    if is_late:
        return NoAnswer(Failure.TIMEOUT)
    if isinstance(error, NotAllowed):
        return NoAnswer(Failure.ADDRESS_NOT_ALLOWED, str(error))
    kinds = {
        socket.gaierror: Failure.NAME_NOT_RESOLVED,
        requests.exceptions.SSLError: Failure.TLS_FAILED,
        requests.exceptions.Timeout: Failure.TIMEOUT,
    }
    for kind, failure in kinds.items():
        if isinstance(error, kind):
            return NoAnswer(failure)
    if isinstance(_cause_of(error), NewConnectionError):
        return NoAnswer(Failure.CONNECT_FAILED)
    return NoAnswer(Failure.CONNECTION_LOST)


def _cause_of(error: Exception) -> object:
    """What the library wrapped: its last attempt's error."""
    wrapped = error.args[0] if error.args else None
    return getattr(wrapped, "reason", None)
