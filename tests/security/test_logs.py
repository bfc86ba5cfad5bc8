"""The log is one JSON object a line, says which request it is about, and gives nobody away."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from builders import PASSWORD, Clinic, Server, refused
from mediqon import logs
from mediqon.database import connection
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

NAME, PHONE, REASON = "Zebedee Quuxington", "+91 555 0199", "a very private matter"
READY_SECONDS, FAREWELL_SECONDS = 30, 10


@asynccontextmanager
async def logged_server(settings: Settings, log: list[str]) -> AsyncGenerator[Server]:
    """`mediqon serve` that logs all it ever would; its lines are in `log` at the end."""
    environment = {**os.environ, **settings.as_environment(), "MEDIQON_LOG_LEVEL": "debug"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mediqon", "serve", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    async with asyncio.timeout(READY_SECONDS):
        while not (line := (await process.stdout.readline()).decode()).startswith("Mediqon is ready"):
            assert line
    try:
        async with Server(line.split()[-1], settings, lambda: datetime.now(UTC)) as server:
            yield server
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(FAREWELL_SECONDS):
            _, error = await process.communicate()
    log += error.decode().splitlines()


async def test_a_day_logged_as_fully_as_can_be_holds_no_name_token_password_or_code(clinic: Clinic) -> None:
    log: list[str] = []
    async with logged_server(clinic.server.settings, log) as server:
        secrets = await a_day(server, clinic)
    assert len(log) >= 3
    told = [json.loads(line) for line in log if line.startswith("{")]
    failed = [line for line in told if line["level"] == "error"]
    assert [line["event"] for line in failed] == ["unexpected error in POST /auth/register"]
    assert failed[0]["request"]
    assert "frames" in failed[0]
    assert {"request" in line for line in told if line["event"] == "Redis is there"} == {False}
    text = "\n".join(log)
    for secret in secrets:
        assert secret not in text, secret


async def a_day(server: Server, clinic: Clinic) -> list[str]:
    """All kinds of requests, good and bad; what must not be told of them."""
    reception = await server.log_in(clinic.reception.email)
    body = {"name": NAME, "email": "zebedee@example.org", "password": PASSWORD, "phone": PHONE}
    login = {"email": "zebedee@example.org", "password": PASSWORD}
    await server.anybody.post("/auth/register", body)
    answer = await server.anybody.post("/auth/login", login)
    await server.anybody.post("/auth/login", login | {"password": "mistyped secret"})
    await server.anybody.post("/auth/refresh", {"refresh_token": answer["refresh_token"]})
    display = await reception.post(
        f"/hospitals/{clinic.hospital_id}/displays", {"name": "Wall", "doctor_ids": [clinic.doctor_id]}
    )
    visit = await reception.walk_in(clinic.doctor_id, NAME, reason=REASON)
    assert (visit.status, display.status) == (201, 201)
    await server.anybody.get(f"/tokens/{visit['code']}")
    await server.http.get(f"/t/{visit['code']}")
    await server.anybody.get(f"/nowhere/{visit['code']}", authorization=f"Bearer {answer['access_token']}x")
    async with (
        server.watch(f"/live/displays/{display['key']}") as wall,
        server.watch(f"/live/desk/{clinic.doctor_id}", reception) as desk,
    ):
        await wall.frame()
        assert NAME in json.dumps(await desk.frame())
    async with connection(server.settings) as conn:  # an error nobody thought of, about somebody
        await conn.execute("create unique index one_phone on users (phone)")
    broken = await server.anybody.post("/auth/register", body | {"email": "second@example.org"})
    refused(broken, 500, "internal")
    tokens = [str(each) for each in (reception.token, answer["access_token"], answer["refresh_token"])]
    return [
        *(NAME, "Zebedee", "zebedee", PHONE, "0199", REASON, "private matter", PASSWORD, "mistyped secret"),
        *(visit["code"], display["key"], *tokens, *[token.rpartition(".")[2] for token in tokens]),
        *(server.settings.jwt_secret, server.settings.db_password),
    ]


def test_an_error_is_told_by_its_kind_and_place_not_by_what_it_quotes() -> None:
    told = record_of(asyncpg.UniqueViolationError(f"Key (name)=({NAME}) already exists"))
    assert told["error"] == "UniqueViolationError from LookupError"
    assert any("test_logs.py" in frame for frame in told["frames"])
    assert NAME not in json.dumps(told)


def record_of(error: Exception) -> dict[str, Any]:
    try:
        try:
            raise LookupError(NAME)
        except LookupError as cause:
            raise error from cause
    except Exception as raised:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed in %s", ("GET /",), (type(raised), raised, None))
    return msgspec.json.decode(logs.OneLine().format(record))


async def test_the_id_of_an_answer_is_the_one_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(logs.OneLine())
    async with connection(server.settings) as conn:
        await conn.execute("alter table hospitals rename to buildings")
    answer = await server.http.get("/hospitals")
    assert answer.status_code == 500
    [line] = [json.loads(line) for line in caplog.text.splitlines() if '"error"' in line]
    assert (line["request"], line["event"]) == (answer.headers["x-request-id"], "unexpected error in GET /hospitals")
