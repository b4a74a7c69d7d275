"""Calls of Stripe's API through its own library, guarded like all our requests. Pure.

Its objects become plain dictionaries here; an answer that is not one of them is raised as
an error of the library. The library's retries are off: each call under a key is counted.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import stripe

from core.money import minor_digits, round_money
from core.outbound.client import Limits, exchange
from core.outbound.failures import NoAnswer

Resource = dict[str, Any]
# Stripe's amounts have two more decimal places than these currencies.
TWO_PLACES_MORE = {"ISK", "UGX"}
PAGE_SIZE = 100  # objects per page of a list


class GuardedHTTPClient(stripe.HTTPClient):
    """Sends to allowed addresses only, within a time limit, through no proxy."""

    name = "guarded"

    def __init__(self, limits: Limits) -> None:
        super().__init__(verify_ssl_certs=True)
        self._limits = limits

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> Any:
        body = post_data.encode() if isinstance(post_data, str) else post_data
        sent_headers = {**(headers or {}), "Accept-Encoding": "identity"}
        try:
            status, answer, received_headers = exchange(
                method.upper(), url, body, sent_headers, self._limits
            )
        except NoAnswer as error:
            raise stripe.APIConnectionError(str(error)) from None  # type: ignore[no-untyped-call]
        return answer, status, received_headers


def make_client(url: str, key: str, limits: Limits) -> stripe.StripeClient:
    """A client of one account; the library's global state is not touched."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": url.rstrip("/")},
        max_network_retries=0,
        http_client=GuardedHTTPClient(limits),
    )


def call_api(call: Callable[[], stripe.StripeObject]) -> Resource:
    """The object that a call returns. Raises stripe.StripeError, and nothing else."""
    try:
        resource = call().to_dict()
        if isinstance(resource.get("object"), str):
            return resource
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise stripe.APIError("Stripe's response cannot be parsed.") from None
    raise stripe.APIError("Stripe's response is not an API object.")


def retrieve(call: Callable[[], stripe.StripeObject], reference: str) -> Resource:
    """The object with this id. Raises stripe.StripeError, also for another object."""
    resource = call_api(call)
    if resource.get("id") != reference:
        raise stripe.APIError("Stripe returned an object with another id.")
    return resource


def list_all(
    list_page: Callable[..., stripe.StripeObject], params: Mapping[str, Any]
) -> Iterator[Resource]:
    """All objects of a list, the newest first. Raises stripe.StripeError."""
    cursor: Resource = {}
    while True:
        query = {**params, "limit": PAGE_SIZE, **cursor}
        page = call_api(lambda query=query: list_page(query))  # type: ignore[misc]
        rows = page.get("data")
        if not isinstance(rows, list):
            raise stripe.APIError("Stripe's response is not a list.")
        yield from rows
        if not rows or not page.get("has_more"):
            return
        cursor = {"starting_after": rows[-1]["id"]}


def describe_error(error: stripe.StripeError) -> str:
    """The HTTP status and Stripe's error codes; never its message, which may name data."""
    if isinstance(error, stripe.APIConnectionError):
        return str(error.user_message)[:100]
    detail = error_detail(error)
    codes = [detail.get("decline_code"), detail.get("code"), detail.get("param")]
    status = f"{error.http_status or 'nothing readable'}"
    words = [code for code in codes if isinstance(code, str) and code.isprintable()]
    return f"answered {status}: {' '.join(dict.fromkeys(words))}"[:150].rstrip(": ")


def error_detail(error: stripe.StripeError) -> Resource:
    """The `error` object of an error response; empty where there is none."""
    body: Any = error.json_body
    detail = body.get("error") if isinstance(body, dict) else None
    return detail if isinstance(detail, dict) else {}


def to_minor_units(amount: Decimal, currency: str) -> int:
    """An amount in the unit in which Stripe counts. Raises UnknownCurrency."""
    exact = round_money(amount, currency).scaleb(_places(currency))
    return int(exact)


def from_minor_units(units: Any, currency: Any) -> tuple[Decimal, str]:
    """An amount of Stripe's, and its currency in upper case.

    Raises UnknownCurrency, and stripe.APIError where there is no amount.
    """
    if not isinstance(units, int) or not isinstance(currency, str):
        raise stripe.APIError("Stripe's response has no amount.")
    code = currency.upper()
    return Decimal(units).scaleb(-_places(code)), code


def to_timestamp(at: datetime) -> int:
    """An instant as Stripe writes it: whole seconds since 1970."""
    return int(at.timestamp())


def from_timestamp(seconds: Any) -> datetime | None:
    """An instant that Stripe wrote, in UTC; None where there is none."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None


def id_of(resource: Any) -> str:
    """The id of an object, whether it is expanded or only its id; empty without one."""
    reference = resource.get("id") if isinstance(resource, dict) else resource
    return reference if isinstance(reference, str) else ""


def metadata_of(resource: Any) -> dict[str, str]:
    """The metadata of an expanded object; empty where there is none."""
    metadata = resource.get("metadata") if isinstance(resource, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def is_own_payment(intent: Any) -> bool:
    """Whether this service made a PaymentIntent; others may use the account too."""
    return parse_uuid(metadata_of(intent).get("attempt")) is not None


def parse_uuid(text: str | None) -> UUID | None:
    """An id of this service that Stripe keeps in metadata; None for anything else."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _places(currency: str) -> int:
    return minor_digits(currency) + (2 if currency in TWO_PLACES_MORE else 0)
