"""Processors that we know: adding one, another address, other keys."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from billing.payments.models import PaymentProcessor
from billing.payments.services.receiving import MANUAL
from billing.webhooks.addresses import NotAllowed, check_url
from billing.webhooks.endpoints import BadUrl, address_policy
from billing.webhooks.services import PLATFORM, NewEvent, publish
from billing.webhooks.signing import new_secret, seal
from seats.errors import Refusal

Kind = PaymentProcessor.Kind
KEYS = ("sk_", "rk_")


class NothingToChange(Refusal):
    code = "nothing_to_change"


class SecretsAreOurs(Refusal):
    code = "secrets_are_ours"


class SecretsAreTheirs(Refusal):
    code = "secrets_are_theirs"


class ProcessorKnown(Refusal):
    code = "processor_known"


class BadSecret(Refusal):
    code = "bad_secret"


def add_processor(
    *,
    code: str,
    url: str,
    actor: str,
    now: datetime,
    kind: str = Kind.WEBHOOK,
    key: str = "",
    endpoint_secret: str = "",
) -> tuple[PaymentProcessor, str, str]:
    """A new processor, and two secrets, told this once.

    The first signs what we tell it, the second what it answers. Stripe's are its own: a
    secret or restricted key, and what signs for our endpoint; of these there may be
    several, with spaces. Raises BadUrl, BadSecret, ProcessorKnown.
    """
    _check_url(url, kind)
    if code == MANUAL:
        raise ProcessorKnown("That is what people record.", field="code")
    sending, receiving = new_secret(), new_secret()
    if kind == Kind.STRIPE:
        _check_key(key, "key")
        _check_endpoint_secret(endpoint_secret, "endpoint_secret")
        sending, receiving = key, " ".join(endpoint_secret.split())
    keys = settings.WEBHOOKS["SECRETS_KEYS"]
    try:
        with transaction.atomic():
            processor = PaymentProcessor.objects.create(
                code=code,
                kind=kind,
                url=url,
                sealed_sending=seal(sending, keys),
                sealed_receiving=seal(receiving, keys),
                added_by=actor,
                added_at=now,
            )
    except IntegrityError as error:
        raise ProcessorKnown(f"{code} is known.", field="code") from error
    return processor, sending, receiving


def change_processor(
    *,
    processor: PaymentProcessor,
    actor: str,
    now: datetime,
    url: str = "",
    sending: str = "",
    receiving: str = "",
) -> PaymentProcessor:
    """From now on another URL, or other keys that the processor gave us.

    What is empty stays. Raises NothingToChange, BadUrl, and SecretsAreOurs for keys
    of one that is told by webhook, BadSecret for what is no key of the processor.
    """
    keys = {"sending": sending, "receiving": receiving}
    if processor.kind == Kind.WEBHOOK and any(keys.values()):
        raise SecretsAreOurs("We make them; ask for new ones.")
    if url:
        _check_url(url, processor.kind)
    if sending:
        _check_key(sending, "sending")
    if receiving:
        _check_endpoint_secret(receiving, "receiving")
    return _change(processor, url, keys, actor, now)


def rotate_secrets(
    *, processor: PaymentProcessor, actor: str, now: datetime
) -> tuple[PaymentProcessor, str, str]:
    """Two new secrets of one that is told by webhook, told this once.

    For a day the ones before go on: both sign what we tell, and either is believed.
    Of secrets rotated faster than that, the last but one ends. Raises SecretsAreTheirs.
    """
    if processor.kind != Kind.WEBHOOK:
        raise SecretsAreTheirs("The processor makes them.")
    keys = {"sending": new_secret(), "receiving": new_secret()}
    changed = _change(processor, "", keys, actor, now)
    return changed, keys["sending"], keys["receiving"]


def _change(
    processor: PaymentProcessor,
    url: str,
    keys: Mapping[str, str],
    actor: str,
    now: datetime,
) -> PaymentProcessor:
    """What one signs with ends a day after it changed, whatever else is changed then."""
    changed = [name for name, value in {"url": url, **keys}.items() if value]
    if not changed:
        raise NothingToChange("Say what is new.")
    with transaction.atomic():
        rows = PaymentProcessor.objects.select_for_update(no_key=True)
        locked = rows.get(pk=processor.pk)
        locked.url = url or locked.url
        for name, key in keys.items():
            if key:
                before = getattr(locked, f"sealed_{name}")
                setattr(locked, f"sealed_{name}_before", before)
                sealed = seal(key, settings.WEBHOOKS["SECRETS_KEYS"])
                setattr(locked, f"sealed_{name}", sealed)
        if keys["receiving"]:  # Stripe's own keys may change without each other
            locked.rotated_at = now
        locked.save(
            update_fields=[
                "url", "sealed_sending", "sealed_receiving", "sealed_sending_before",
                "sealed_receiving_before", "rotated_at",
            ]
        )  # fmt: skip
        payload = {"processor": locked.code, "changed": changed, "actor": actor}
        subject = f"processor:{locked.code}"
        publish([NewEvent(PLATFORM, "processor.changed", subject, payload)], now=now)
    return locked


def _check_url(url: str, kind: str) -> None:
    try:
        check_url(url, address_policy())
    except NotAllowed as error:
        raise BadUrl(str(error), field="url") from error
    parts = urlsplit(url)
    if kind == Kind.STRIPE and (parts.path.strip("/") or parts.query):
        raise BadUrl("The address of the API, without a path.", field="url")


def _check_key(key: str, field: str) -> None:
    plain_text = key.isascii() and key.isprintable() and " " not in key
    if not (key.startswith(KEYS) and plain_text):
        raise BadSecret("A key begins with sk_ or rk_.", field=field)


def _check_endpoint_secret(told: str, field: str) -> None:
    """Of one endpoint, or of several with spaces."""
    secrets = told.split()
    if not secrets or not all(
        one.startswith("whsec_") and len(one) > len("whsec_") for one in secrets
    ):
        raise BadSecret("It begins with whsec_.", field=field)
