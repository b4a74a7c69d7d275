"""How the API's description says what a route takes and gives."""

from typing import Any

import msgspec
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework.serializers import Serializer


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """A struct as JSON schema, with what it is made of written out."""
    (schema,), parts = msgspec.json.schema_components([struct])
    return dict(_written_out(schema, parts))


def one_or_many(kind: type[Serializer[Any]]) -> PolymorphicProxySerializer:
    """A body that is one object or a list of them."""
    return PolymorphicProxySerializer(
        component_name=f"{kind.__name__}OrMany",
        serializers=[kind, kind(many=True)],
        resource_type_field_name=None,
        many=False,
    )


def _written_out(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_written_out(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _written_out(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _written_out(value, parts) for key, value in schema.items()}
