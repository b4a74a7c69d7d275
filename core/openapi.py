"""Helpers for the OpenAPI description: schemas of structs, and bodies with lists."""

from typing import Any

import msgspec
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework.serializers import Serializer


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a struct, with all references resolved inline."""
    (schema,), parts = msgspec.json.schema_components([struct])
    return dict(_inlined(schema, parts))


def one_or_many(kind: type[Serializer[Any]]) -> PolymorphicProxySerializer:
    """A body that is one object or a list of them."""
    return PolymorphicProxySerializer(
        component_name=f"{kind.__name__}OrMany",
        serializers=[kind, kind(many=True)],
        resource_type_field_name=None,
        many=False,
    )


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, parts) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(value, parts) for key, value in schema.items()}
