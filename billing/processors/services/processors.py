"""Managing payment processors: adding one, changing its URL or keys, new secrets."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from billing.processors.domain.port import MANUAL
from billing.processors.domain.webhook_events import ProcessorChanged
from billing.processors.models import PaymentProcessor
from billing.webhooks.domain.signing import new_secret, seal
from billing.webhooks.services.endpoints import BadUrl, address_policy
from billing.webhooks.services.outbox import PLATFORM, publish
from core.errors import Kind, Refusal
from core.outbound.addresses import NotAllowed, check_url

ProcessorKind = PaymentProcessor.Kind
KEYS = ("sk_", "rk_")


class NothingToChange(Refusal):
    """The form changes nothing.

    Enter a new URL or a new key.
    """

    code = "nothing_to_change"


class SecretsGeneratedHere(Refusal):
    """The secrets of this processor are generated here and cannot be entered.

    Rotate the secrets to get new ones.
    """

    code = "secrets_generated_here"


class SecretsIssuedByProcessor(Refusal):
    """The keys of this processor are issued by Stripe and cannot be rotated here.

    Roll the keys in the Stripe Dashboard, then enter the new ones.
    """

    code = "secrets_issued_by_processor"


class ProcessorExists(Refusal):
    """The code of the processor is already in use or reserved.

    Use another code.
    """

    code = "processor_exists"
    kind = Kind.CONFLICT


class BadSecret(Refusal):
    """The key or signing secret is not valid.

    Enter a Stripe key (sk_ or rk_) or a signing secret (whsec_).
    """

    code = "bad_secret"


def add_processor(
    *,
    code: str,
    url: str,
    actor: str,
    now: datetime,
    kind: str = ProcessorKind.WEBHOOK,
    key: str = "",
    endpoint_secret: str = "",
) -> tuple[PaymentProcessor, str, str]:
    """Add a processor; return it with its two secrets, which are never shown again.

    The first signs our requests, the second the processor's. Stripe issues its own:
    `key`, a secret or restricted key, and `endpoint_secret`, the signing secret of our
    endpoint, or several separated by spaces. Raises BadUrl, BadSecret, ProcessorExists.
    """
    _check_url(url, kind)
    if code == MANUAL:
        raise ProcessorExists(
            f"`{MANUAL}` is reserved for payments recorded by hand. Use another code.",
            field="code",
        )
    sending, receiving = new_secret(), new_secret()
    if kind == ProcessorKind.STRIPE:
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
        raise ProcessorExists(
            f"Processor `{code}` already exists. Use another code.", field="code"
        ) from error
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
    """Change the URL of a processor, or the keys that it issued; empty ones are kept.

    Raises NothingToChange, BadUrl, BadSecret for a malformed key, and
    SecretsGeneratedHere for the keys of a processor that is called by signed webhook.
    """
    keys = {"sending": sending, "receiving": receiving}
    if processor.kind == ProcessorKind.WEBHOOK and any(keys.values()):
        raise SecretsGeneratedHere(
            f"The secrets of processor {processor} are generated here and cannot be"
            " entered. Rotate them to get new ones."
        )
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
    """Generate two new secrets for a webhook processor, which are never shown again.

    For a day both old and new secrets sign our requests, and signatures of either are
    accepted. Rotating again within that day ends the oldest ones. Raises
    SecretsIssuedByProcessor.
    """
    if processor.kind != ProcessorKind.WEBHOOK:
        raise SecretsIssuedByProcessor(
            f"The keys of processor {processor} are issued by Stripe. Roll them in the"
            " Stripe Dashboard, then enter the new ones here."
        )
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
    """Apply the changes and publish them.

    A replaced signing secret stays valid for a day from its own change.
    """
    changed = [name for name, value in {"url": url, **keys}.items() if value]
    if not changed:
        raise NothingToChange("Nothing to change. Enter a new URL or a new key.")
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
        event = ProcessorChanged(
            agency_id=PLATFORM,
            subject=f"processor:{locked.code}",
            processor=locked.code,
            changed=changed,
            actor=actor,
        )
        publish(event, now=now)
    return locked


def _check_url(url: str, kind: str) -> None:
    try:
        check_url(url, address_policy())
    except NotAllowed as error:
        raise BadUrl(str(error), field="url") from error
    parts = urlsplit(url)
    if kind == ProcessorKind.STRIPE and (parts.path.strip("/") or parts.query):
        raise BadUrl(
            "The URL of a Stripe processor must have no path and no query, such as"
            " https://api.stripe.com.",
            field="url",
        )


def _check_key(key: str, field: str) -> None:
    plain_text = key.isascii() and key.isprintable() and " " not in key
    if not (key.startswith(KEYS) and plain_text):
        raise BadSecret(
            "The key is not a Stripe key. Keys start with sk_ or rk_.", field=field
        )


def _check_endpoint_secret(text: str, field: str) -> None:
    """Check signing secrets, separated by spaces. Raises BadSecret."""
    secrets = text.split()
    if not secrets or not all(
        secret.startswith("whsec_") and len(secret) > len("whsec_")
        for secret in secrets
    ):
        raise BadSecret(
            "The signing secret is not valid. Stripe's signing secrets start with"
            " whsec_.",
            field=field,
        )
