"""The OpenAPI description of API keys, pages, problems and webhooks."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from billing.webhooks.domain.catalogue import Delivered, EventType, catalogue
from config.http.errors import CONTENT_TYPE
from core.openapi import schema_of

KEYED = (401, 403)
ALWAYS = (400, 404, 406, 422, 429)
WITH_A_BODY = (409, 411, 413, 415)
OTHERS = (503,)
PROBLEMS = "x-problems"  # an operation's additional problem statuses
TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "A problem as defined by RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "A stable code, for programs."},
        "detail": {"type": "string", "description": "A message for people."},
        "field": {"type": "string", "description": "The path of the invalid input."},
    },
    "required": ["type", "title", "status", "code", "detail"],
    "additionalProperties": False,
}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The security scheme of `Authorization: Bearer dk_...`."""

    target_class = "config.http.authentication.KeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class Described(AutoSchema):
    """Describes pages only for GET: lists that are written are returned whole."""

    def _get_paginator(self) -> Any:
        if self.method != "GET":
            return None
        return super()._get_paginator()  # type: ignore[no-untyped-call]


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the problem responses of every operation; each is described once."""
    parts = result["components"]
    parts["schemas"]["Problem"] = PROBLEM
    parts["responses"] = {
        _name(status): _problem(status)
        for status in KEYED + ALWAYS + WITH_A_BODY + OTHERS
    }
    for path in result["paths"].values():
        for operation in path.values():
            for status in _problems_of(operation):
                answer = {"$ref": f"#/components/responses/{_name(status)}"}
                operation["responses"].setdefault(str(status), answer)
    return result


def add_webhooks(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the webhooks: an entry for each event type."""
    result["webhooks"] = {
        name: {"post": _webhook(name, kind)} for name, kind in catalogue().items()
    }
    return result


def _webhook(name: str, kind: EventType) -> dict[str, Any]:
    fixed = {"type": {"const": name}, "version": {"const": kind.version}}
    body = schema_of(Delivered)
    body["properties"] |= fixed | {"data": schema_of(kind.data)}
    headers = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "operationId": name,
        "summary": kind.description,
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": TEXT}
            for name in headers
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body}},
        },
        "responses": {"2XX": {"description": "Delivered. Anything else is retried."}},
    }


def _problems_of(operation: dict[str, Any]) -> list[int]:
    keyed = KEYED if {} not in operation.get("security", [{}]) else ()
    body = WITH_A_BODY if "requestBody" in operation else ()
    own = operation.pop(PROBLEMS, [])
    return sorted({*ALWAYS, *keyed, *body, *own})


def _name(status: int) -> str:
    return HTTPStatus(status).name.title().replace("_", "")


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {CONTENT_TYPE: {"schema": schema}},
    }
