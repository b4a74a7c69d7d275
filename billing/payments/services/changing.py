"""Another address or other keys of a processor; the keys before end a day later."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.payments.models import PaymentProcessor
from billing.webhooks.addresses import NotAllowed, check_url
from billing.webhooks.endpoints import BadUrl, rules
from billing.webhooks.services import PLATFORM, NewEvent, publish
from billing.webhooks.signing import new_secret, seal
from seats.errors import Refusal


class NothingToChange(Refusal):
    code = "nothing_to_change"


class SecretsAreOurs(Refusal):
    code = "secrets_are_ours"


class SecretsAreTheirs(Refusal):
    code = "secrets_are_theirs"


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
    of one that is told by webhook.
    """
    keys = {"sending": sending, "receiving": receiving}
    if processor.kind == PaymentProcessor.Kind.WEBHOOK and any(keys.values()):
        raise SecretsAreOurs("We make them; ask for new ones.")
    if url:
        try:
            check_url(url, rules())
        except NotAllowed as error:
            raise BadUrl(str(error), field="url") from error
    return _change(processor, url, keys, actor, now)


def rotate_secrets(
    *, processor: PaymentProcessor, actor: str, now: datetime
) -> tuple[PaymentProcessor, str, str]:
    """Two new secrets of one that is told by webhook, told this once.

    For a day the ones before go on: both sign what we tell, and either is believed.
    Of secrets rotated faster than that, the last but one ends. Raises SecretsAreTheirs.
    """
    if processor.kind != PaymentProcessor.Kind.WEBHOOK:
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
