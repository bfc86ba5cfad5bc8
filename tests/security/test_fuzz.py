"""Whatever is sent, by whomever: no 5xx, every answer as the document says, no door open without a token.

A few cases of each kind here; `make fuzz` tries tens of thousands, others each time.
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from fuzzing import Outcome, fuzz
from schemathesis import GenerationMode

from builders import Asker, Clinic, Server, refused
from mediqon import openapi
from mediqon.app import create_app
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

CASES = int(os.environ.get("MEDIQON_FUZZ_CASES", "2"))
NUMBER = int(os.environ.get("MEDIQON_FUZZ_NUMBER", "7"))
IDS_UP_TO = 3
ONLY = os.environ.get("MEDIQON_FUZZ_ONLY", "")


@pytest.mark.parametrize("role", ["anonymous", "patient", "doctor", "hospital"])
async def test_every_operation_stands_whatever_is_sent(clinic: Clinic, role: str) -> None:
    patient = await clinic.server.patient()
    await clinic.reception.walk_in(clinic.doctor_id)
    await patient.book(clinic.doctor_id)
    await clinic.display()
    askers = {"patient": patient, "doctor": clinic.doctor, "hospital": clinic.reception}
    outcome = await fuzzed(clinic.server.url, askers.get(role))
    print(f"\n{role}: {outcome.cases} cases, answers {dict(sorted(outcome.statuses.items()))}")
    assert outcome.problems == []
    assert outcome.cases > 40 * CASES or ONLY


async def test_the_control_of_all_this_is_a_document_that_says_something_else(clinic: Clinic) -> None:
    untrue = document()
    untrue["paths"]["/hospitals"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "null"}
    untrue["paths"]["/health/live"]["get"]["security"] = [{"BearerToken": []}]
    for only in ("GET /hospitals", "GET /health/live"):
        both = dict.fromkeys((GenerationMode.POSITIVE, GenerationMode.NEGATIVE), untrue)
        outcome = await fuzzed(clinic.server.url, clinic.reception, both, only)
        assert outcome.problems != [], only


async def fuzzed(
    url: str, asker: Asker | None, documents: dict[GenerationMode, dict[str, Any]] | None = None, only: str = ONLY
) -> Outcome:
    own = documents or {
        GenerationMode.POSITIVE: with_ids_that_are_there(document()),
        GenerationMode.NEGATIVE: document(),
    }

    def ask() -> Outcome:
        return fuzz(url, own, asker.token if asker else None, cases=CASES, number=NUMBER, only=only)

    return await anyio.to_thread.run_sync(ask)


def document() -> dict[str, Any]:
    return json.loads(json.dumps(openapi.completed(create_app(Settings()).openapi_schema.to_schema())))


def with_ids_that_are_there(described: dict[str, Any]) -> dict[str, Any]:
    """The document, but of ids it knows only the first few: so requests get past the 404."""
    for operations in described["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"].endswith("_id"):
                    parameter["schema"] |= {"minimum": 0, "maximum": IDS_UP_TO}
    for schema in described["components"]["schemas"].values():
        for name, field in schema.get("properties", {}).items():
            if name == "doctor_id" and field.get("maximum"):
                field["maximum"] = IDS_UP_TO
    return described


ODD = {
    "an integer past every bound": b'{"doctor_id": 1' + b"0" * 400 + b"}",
    "a number with an endless exponent": b'{"doctor_id": 1e999999999}',
    "a body that nests deeper than a stack": b'{"doctor_id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "a body that nests in objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "NUL in a name": b'{"doctor_id": 1, "patient": {"name": "a\\u0000b"}}',
    "a lone surrogate": b'{"doctor_id": 1, "patient": {"name": "\\ud800"}}',
    "a surrogate the wrong way round": b'{"doctor_id": 1, "reason": "\\udc00\\ud800"}',
    "bytes that are no UTF-8": b'{"doctor_id": 1, "reason": "\xff\xfe"}',
    "a year that is none": b'{"doctor_id": 1, "date": "0000-00-00"}',
    "a year past the calendar": b'{"doctor_id": 1, "date": "99999-01-01"}',
    "NaN": b'{"doctor_id": NaN}',
    "one key twice, the second wrong": b'{"doctor_id": 1, "doctor_id": "x"}',
    "a byte order mark": b'\xef\xbb\xbf{"doctor_id": 1}',
}


@pytest.mark.parametrize("what", ODD)
async def test_odd_bodies_are_400(clinic: Clinic, what: str) -> None:
    refused(await clinic.reception.post("/appointments/book", ODD[what]), 400, "malformed")


async def test_a_body_over_64_kb_is_413_also_when_it_does_not_say_how_long_it_is(server: Server) -> None:
    big = b'{"email": "' + b"x" * 70_000 + b'", "password": "y"}'

    async def unannounced() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 1000):
            yield big[start : start + 1000]

    announced = await server.http.post("/auth/login", content=big)
    streamed = await server.http.post("/auth/login", content=unannounced())
    for answer in (announced, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_absurd_dates_and_zones_are_refused_or_answered_never_a_failure(clinic: Clinic) -> None:
    path = f"/doctors/{clinic.doctor_id}/slots"
    for day in ("0001-01-01", "9999-12-31", "1582-10-10", "2026-02-29", "-0001-01-01", "2026-13-01", "tomorrow", "%00"):
        assert (await clinic.server.anybody.get(f"{path}?date={day}")).status in {200, 400}, day
    settings = f"/hospitals/{clinic.hospital_id}/settings"
    for zone in (
        "UTC",
        "Asia/Kathmandu",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
        "../../etc/passwd",
        "posixrules",
        "X" * 64,
    ):
        assert (await clinic.reception.patch(settings, {"timezone": zone})).status in {200, 400}, zone


async def test_odd_addresses_are_answered_never_a_failure(clinic: Clinic) -> None:
    for path in (
        *("/queues/%00", "/queues/%ff", "/tokens/%00", "/tokens/%F0%9F%98%80", "/t/%2e%2e%2f", "/web/../settings.py"),
        *(
            "/web/%2e%2e/settings.py",
            "/web//etc/passwd",
            "/display/%00",
            f"/queues/{'9' * 4000}",
            "/hospitals/-1/doctors",
        ),
        *("/doctors/1e3/slots", "/queues/１", "//", "/%", "/appointments/0x1", "/live/queues/1"),
    ):
        answer = await clinic.server.http.get(path)
        assert answer.status_code in {200, 400, 404, 405, 414, 426}, (path, answer.status_code)
