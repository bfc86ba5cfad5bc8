"""The OpenAPI document: valid in itself, complete, and true to what the server answers."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from builders import Server
from mediqon import openapi
from mediqon.app import create_app
from mediqon.settings import Settings

Json = dict[str, Any]

CONTRACT = """
POST /auth/register · POST /auth/login · POST /auth/refresh · POST /auth/logout ! · GET /auth/me !
GET /hospitals · GET /hospitals/{hospital_id}/doctors · POST /hospitals/{hospital_id}/doctors !
PATCH /doctors/{doctor_id} ! · PUT /doctors/{doctor_id}/schedule ! · GET /doctors/{doctor_id}/schedule
GET /doctors/{doctor_id}/slots
POST /appointments/book ! · POST /appointments/walk-in ! · GET /appointments/mine !
GET /appointments/{appointment_id} ! · GET /appointments/{appointment_id}/events !
GET /appointments/doctor/{doctor_id}/today ! · PATCH /appointments/{appointment_id}/status !
POST /doctors/{doctor_id}/leave ! · PATCH /appointments/{appointment_id}/priority !
POST /appointments/{appointment_id}/recall ! · POST /appointments/{appointment_id}/transfer !
POST /appointments/{appointment_id}/reschedule ! · POST /queues/{doctor_id}/pause ! · POST /queues/{doctor_id}/resume !
POST /queues/{doctor_id}/close ! · POST /queues/{doctor_id}/delay ! · POST /queues/{doctor_id}/undo !
POST /queues/{doctor_id}/call-next ! · GET /queues/{doctor_id} · GET /tokens/{code}
POST /hospitals/{hospital_id}/displays ! · GET /hospitals/{hospital_id}/displays ! · DELETE /displays/{display_id} !
GET /health/live · GET /health/ready · GET /metrics
"""
"""Every call of the contract so far; `!` where it needs a token."""
CALLS = [tuple(call.split()) for line in CONTRACT.strip().splitlines() for call in line.split(" · ")]
CONFLICTS = {
    ("post", "/appointments/book"),
    ("patch", "/appointments/{appointment_id}/status"),
    ("post", "/queues/{doctor_id}/call-next"),
    ("post", "/auth/register"),
    ("post", "/hospitals/{hospital_id}/doctors"),
}
METHODS = {"get", "put", "post", "delete", "patch"}
SCHEMA_WORDS = {
    *("type", "properties", "required", "items", "oneOf", "enum", "const", "pattern", "format", "title", "description"),
    *("examples", "default", "$ref", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("uniqueItems", "additionalProperties"),
}


@pytest.fixture(scope="module")
def document() -> Json:
    return openapi.completed(create_app(Settings()).openapi_schema.to_schema())


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def schemas(part: Any) -> Iterator[Json]:
    """Every schema object below `part`."""
    for name, value in cast("Json", part).items() if isinstance(part, dict) else ():
        if name in {"schema", "items"} and isinstance(value, dict):
            yield cast("Json", value)
        elif name in {"properties", "oneOf"}:
            yield from value.values() if name == "properties" else value
        yield from schemas(value)
    for each in cast("list[Any]", part) if isinstance(part, list) else ():
        yield from schemas(each)


def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(document: Json) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(re.findall(r'"(#/components/[^"]+)"', json.dumps(document))) <= known
    for name in document["components"]["schemas"]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)


def test_every_schema_uses_only_words_of_json_schema_and_patterns_compile(document: Json) -> None:
    found = [*schemas(document["paths"]), *document["components"]["schemas"].values()]
    found += list(schemas(document["components"]["schemas"]))
    assert len(found) > 100
    for schema in found:
        assert set(schema) <= SCHEMA_WORDS, schema
        re.compile(schema.get("pattern", ""))
        assert set(schema.get("required", [])) <= set(schema.get("properties", {})), schema


def test_every_operation_is_named_once_describes_itself_and_declares_its_path(document: Json) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations(document):
        assert method in METHODS
        assert operation["description"], (method, path)
        declared = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        assert all(each["required"] for each in operation.get("parameters", []) if each["in"] == "path")
        assert "requestBody" not in operation or method in {"post", "put", "patch"}


def test_every_call_of_the_contract_is_there_with_its_security(document: Json) -> None:
    for method, path, *protected in CALLS:
        operation = document["paths"][path][method.lower()]
        assert operation.get("security", []) == ([{"BearerToken": []}] if protected else []), (method, path)
    scheme = document["components"]["securitySchemes"]["BearerToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_every_operation_says_how_it_can_refuse(document: Json) -> None:
    for path, method, operation in operations(document):
        refusals = {status for status in operation["responses"] if status[0] in "45"}
        if "requestBody" in operation:
            assert {"400", "413"} <= refusals, (method, path)
        if "{" in path:
            assert "404" in refusals, (method, path)
        if operation.get("security"):
            assert "401" in refusals, (method, path)
            assert "403" in refusals or path.startswith("/auth/"), (method, path)
        if (method, path) in CONFLICTS:
            assert "409" in refusals, (method, path)
        if path != "/health/live":
            assert "503" in refusals, (method, path)
        for status in refusals:
            assert operation["responses"][status]["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }, (method, path, status)


def test_reads_with_an_etag_say_304_and_creations_take_an_idempotency_key(document: Json) -> None:
    for path in ("/queues/{doctor_id}", "/tokens/{code}"):
        assert "304" in document["paths"][path]["get"]["responses"]
    for path, method, operation in operations(document):
        keys = [each for each in operation.get("parameters", []) if each["name"] == "Idempotency-Key"]
        honours = "201" in operation["responses"] or "`Idempotency-Key`" in operation.get("description", "")
        assert bool(keys) == (method == "post" and honours), path


def test_a_request_body_has_no_fields_but_those_named(document: Json) -> None:
    for path, method, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for name in re.findall(r"schemas/(\w+)", str(content)):
                assert document["components"]["schemas"][name]["additionalProperties"] is False, (method, path, name)


def test_no_success_is_described_as_anything_at_all(document: Json) -> None:
    for path, method, operation in operations(document):
        success = next(response for status, response in operation["responses"].items() if status[0] == "2")
        for content in success.get("content", {}).values():
            assert content["schema"], (method, path)
            assert {} not in content["schema"].get("oneOf", []), (method, path)


@pytest.mark.anyio
async def test_the_document_is_served_and_a_problem_is_as_it_says(server: Server, document: Json) -> None:
    served = await server.anybody.get("/schema/openapi.json")
    assert (served.status, json.loads(served.raw)) == (200, json.loads(json.dumps(document)))
    problem = document["components"]["schemas"]["Problem"]
    answer = await server.anybody.post("/auth/login", {"email": 1})
    assert set(problem["required"]) <= set(answer) <= set(problem["properties"])


@pytest.mark.anyio
async def test_a_method_that_is_not_there_is_405_and_an_unknown_path_404(server: Server, document: Json) -> None:
    for path in document["paths"]:
        concrete = re.sub(r"{\w+}", "1", path)
        wrong = await server.anybody.ask("TRACE", concrete)
        assert (wrong.status, wrong["code"]) == (405, "method_not_allowed"), path
        assert wrong.headers["allow"]
        unknown = await server.anybody.get(f"{concrete}/nowhere/at/all")
        assert (unknown.status, unknown["code"]) == (404, "not_found"), path
