"""Webhook events of payment processors. Pure."""

from dataclasses import dataclass

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class ProcessorChanged(WebhookEvent):
    """The URL or the keys of a processor were changed.

    `changed` lists url, sending (the key for calls) or receiving (for its events).
    """

    event_type = "processor.changed"
    message = "Processor {processor} was changed."

    processor: str
    changed: list[str]
    actor: Internal[str]
