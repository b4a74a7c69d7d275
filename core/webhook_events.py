"""The base of outbound webhook events: frozen dataclasses that the rooms declare. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints
from uuid import UUID

from core.money import plain

T = TypeVar("T")
INTERNAL = "internal"
Internal = Annotated[T, INTERNAL]  # stored for verification and staff, never delivered
Month = Annotated[date, "month"]  # the first day of a month; delivered as 2026-10
_TYPES: dict[str, "type[WebhookEvent]"] = {}


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """What happened to an object, for those who subscribe to its type.

    A class with an `event_type` is an event; one without is a base for fields that
    several events share. The docstring says in its first line what happened, and below
    that what its fields mean; the API description and docs/webhooks.md are made of it.
    `message` is the line of the timeline, with fields in braces.

    The fields are delivered in their order, except for `Internal` ones. A field is added
    under the same version; one that changes its meaning or goes away makes a new one.

    `agency_id` is whose stream the event is for; None: the platform's. `subject` names
    the object, such as "seat:<id>"; events of one subject are delivered in order.
    """

    event_type: ClassVar[str]
    event_version: ClassVar[int] = 1
    message: ClassVar[str]

    agency_id: int | None
    subject: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        name = vars(cls).get("event_type")
        if name in _TYPES:
            raise TypeError(f"{_TYPES[name].__name__} already has the type {name}.")
        if name:
            _TYPES[name] = cls

    def __post_init__(self) -> None:
        if not hasattr(self, "event_type"):
            raise TypeError(f"{type(self).__name__} has no event_type.")

    def payload(self) -> dict[str, Any]:
        """All fields as JSON values: decimals in plain digits, times as ISO 8601."""
        return {name: _json(getattr(self, name)) for name in payload_fields(type(self))}

    @classmethod
    def message_for(cls, payload: Mapping[str, Any]) -> str:
        """The message of an event with this payload, still with fields in braces."""
        return cls.message


def event_types() -> Mapping[str, type[WebhookEvent]]:
    """Every event by its type, sorted; complete once Django's apps are ready."""
    return dict(sorted(_TYPES.items()))


def payload_fields(event: type[WebhookEvent]) -> Mapping[str, Any]:
    """The type of each field of the payload, in order."""
    declared: Any = event  # mypy takes no class of instances for hashable
    return _payload_fields(declared)


@cache
def _payload_fields(event: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(event, include_extras=True)
    envelope = {field.name for field in fields(WebhookEvent)}
    return {
        field.name: hints[field.name]
        for field in fields(event)
        if field.name not in envelope
    }


def is_internal(hint: Any) -> bool:
    """Whether a field with this type is stored, but never delivered."""
    return INTERNAL in getattr(hint, "__metadata__", ())


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | str) else value
