"""The OpenAPI document: what Litestar finds in the handlers, made complete with what they cannot say. Touches nothing.

A handler names its particular refusals in its docstring (`409 …`); what follows from its shape is added for it.
"""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]

PROBLEM: Json = {
    "title": "Problem",
    "description": "RFC 9457. `code` is the stable word for a program; further members depend on it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What the user reads."},
        "code": {"type": "string"},
        "errors": {
            "description": "With 400: what is wrong where.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body by the same user is done once; the answer to a repetition is the first one.",
    "schema": {"type": "string", "maxLength": 200},
}
IDEMPOTENT = "`Idempotency-Key`"
"""Said of a POST that creates nothing and must not be done twice either."""
SECRETS = {
    "Login": ["password"],
    "Registration": ["password"],
    "NewDoctor": ["password"],
    "NewStaff": ["password"],
    "GivenPassword": ["password"],
    "PasswordChange": ["password", "new_password"],
}


def completed(document: Json) -> Json:
    """Changes `document` and returns it."""
    schemas: Json = document["components"]["schemas"]
    for path, method, operation in _operations(document):
        _simplify_success(operation)
        if method == "post" and ("201" in operation["responses"] or IDEMPOTENT in operation.get("description", "")):
            operation["parameters"] = [*operation.get("parameters", []), IDEMPOTENCY_KEY]
        for status in sorted(_refusals(path, operation)):
            operation["responses"][str(status)] = _problem(status)
        if "304" in operation.get("description", ""):
            operation["responses"]["304"] = {"description": "What you have is current."}
        if "requestBody" in operation:
            _close(operation["requestBody"], schemas)
            operation["requestBody"]["required"] = not _may_be_null(operation["requestBody"])
    for name, fields in SECRETS.items():
        for field in fields:
            schemas[name]["properties"][field]["format"] = "password"
    schemas["Problem"] = PROBLEM
    return document


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _refusals(path: str, operation: Json) -> set[int]:
    said = {int(each) for each in re.findall(r"\b4\d\d\b", operation.get("description", ""))}
    places = {each["in"] for each in operation.get("parameters", [])}
    has_body, has_key = "requestBody" in operation, IDEMPOTENCY_KEY in operation.get("parameters", [])
    found = {
        HTTPStatus.BAD_REQUEST: has_body or has_key or "query" in places,
        HTTPStatus.UNAUTHORIZED: "security" in operation,
        HTTPStatus.FORBIDDEN: "security" in operation and not path.startswith("/auth/"),
        HTTPStatus.NOT_FOUND: "path" in places,
        HTTPStatus.CONFLICT: has_key,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: has_body,
        HTTPStatus.SERVICE_UNAVAILABLE: path != "/health/live",
    }
    operation["responses"].pop("400", None)
    return said | {status for status, applies in found.items() if applies}


def _problem(status: int) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _simplify_success(operation: Json) -> None:
    """A handler that may also replay an earlier answer replays one of the same shape."""
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            shapes = [each for each in content["schema"].get("oneOf", []) if each]
            if len(shapes) == 1:
                content["schema"] = shapes[0]


def _may_be_null(body: Json) -> bool:
    return any({"type": "null"} in content["schema"].get("oneOf", []) for content in body["content"].values())


def _close(part: Json, schemas: Json) -> None:
    """Says of every object that a request may hold that it has no other fields."""
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)):
        schema = schemas[name]
        if schema.get("type") == "object" and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
            _close(schema, schemas)
