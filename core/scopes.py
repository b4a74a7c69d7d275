"""The base of API scopes: enums that the rooms declare. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self


class ApiScope(StrEnum):
    """What an API key may do. A member is its name and what the name allows.

    Names are a promise of the API: they never change or go away.
    """

    allows: str

    def __new__(cls, name: str, allows: str) -> Self:
        scope = str.__new__(cls, name)
        scope._value_ = name
        scope.allows = allows
        return scope


def api_scopes() -> Mapping[str, ApiScope]:
    """Every scope by its name, sorted; complete once Django's apps are ready."""
    scopes = [scope for room in ApiScope.__subclasses__() for scope in room]
    return {str(scope): scope for scope in sorted(scopes)}
