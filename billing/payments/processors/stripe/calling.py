"""Calls of Stripe's API by its own library, guarded as all our requests are. Pure.

Its objects become plain dictionaries here, and whatever is not one of them an error of
the library. Its retries are off: every call under a key is counted by us.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import stripe

from billing.money import minor_digits, round_money
from billing.webhooks.failures import NoAnswer
from billing.webhooks.sending import Limits, exchange

Told = dict[str, Any]
# Their amounts have two places more than these currencies have.
TWO_PLACES_MORE = {"ISK", "UGX"}
PAGE = 100  # of a list


class Guarded(stripe.HTTPClient):
    """Requests to addresses that are allowed, over within their time, by no proxy."""

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
        told = {**(headers or {}), "Accept-Encoding": "identity"}
        try:
            status, answer, sent = exchange(
                method.upper(), url, body, told, self._limits
            )
        except NoAnswer as error:
            said = stripe.APIConnectionError(str(error))  # type: ignore[no-untyped-call]
            raise said from None
        return answer, status, sent


def client_of(url: str, key: str, limits: Limits) -> stripe.StripeClient:
    """A client of one account; the library's global state is not touched."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": url.rstrip("/")},
        max_network_retries=0,
        http_client=Guarded(limits),
    )


def ask(call: Callable[[], stripe.StripeObject]) -> Told:
    """An object as it is answered. Raises stripe.StripeError, and nothing else."""
    try:
        told = call().to_dict()
        if isinstance(told.get("object"), str):
            return told
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise stripe.APIError("The answer cannot be read.") from None
    raise stripe.APIError("The answer is no object.")


def fetch(call: Callable[[], stripe.StripeObject], reference: str) -> Told:
    """The object of an id. Raises stripe.StripeError, also for another object."""
    told = ask(call)
    if told.get("id") != reference:
        raise stripe.APIError("The answer is another object.")
    return told


def each(
    page: Callable[..., stripe.StripeObject], params: Mapping[str, Any]
) -> Iterator[Told]:
    """All of a list, the latest first. Raises stripe.StripeError."""
    after: Told = {}
    while True:
        wanted = {**params, "limit": PAGE, **after}
        answer = ask(lambda wanted=wanted: page(wanted))  # type: ignore[misc]
        rows = answer.get("data")
        if not isinstance(rows, list):
            raise stripe.APIError("The answer is no list.")
        yield from rows
        if not rows or not answer.get("has_more"):
            return
        after = {"starting_after": rows[-1]["id"]}


def why(error: stripe.StripeError) -> str:
    """What was wrong by its codes: messages may name more than anybody should read."""
    if isinstance(error, stripe.APIConnectionError):
        return str(error.user_message)[:100]
    detail = error.json_body.get("error") if isinstance(error.json_body, dict) else None
    told = detail if isinstance(detail, dict) else {}
    said = [told.get("decline_code"), told.get("code"), told.get("param")]
    status = f"{error.http_status or 'nothing readable'}"
    words = [one for one in said if isinstance(one, str) and one.isprintable()]
    return f"answered {status}: {' '.join(dict.fromkeys(words))}"[:150].rstrip(": ")


def minor(amount: Decimal, currency: str) -> int:
    """An amount in the unit they count in. Raises UnknownCurrency."""
    exact = round_money(amount, currency).scaleb(_places(currency))
    return int(exact)


def amount_of(units: Any, currency: Any) -> tuple[Decimal, str]:
    """An amount and its currency as we write them.

    Raises UnknownCurrency, and stripe.APIError for what is none.
    """
    if not isinstance(units, int) or not isinstance(currency, str):
        raise stripe.APIError("The answer has no amount.")
    code = currency.upper()
    return Decimal(units).scaleb(-_places(code)), code


def moment(at: datetime) -> int:
    """As they write instants: whole seconds."""
    return int(at.timestamp())


def instant(told: Any) -> datetime | None:
    """An instant they wrote."""
    return datetime.fromtimestamp(told, UTC) if isinstance(told, int) else None


def id_of(told: Any) -> str:
    """The id of an object, whether it came whole or by its id."""
    found = told.get("id") if isinstance(told, dict) else told
    return found if isinstance(found, str) else ""


def ours(told: Any) -> dict[str, str]:
    """The metadata of an object."""
    found = told.get("metadata") if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}


def is_ours(intent: Any) -> bool:
    """Whether a payment is a charge of ours; others may use the account too."""
    return uuid_of(ours(intent).get("attempt")) is not None


def uuid_of(text: str | None) -> UUID | None:
    """An id of ours that they keep for us."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _places(currency: str) -> int:
    return minor_digits(currency) + (2 if currency in TWO_PLACES_MORE else 0)
