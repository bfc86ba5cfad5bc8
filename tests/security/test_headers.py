"""Every answer says the same to browsers: pages, JSON, refusals, nonsense; and nobody may say where they come from."""

import asyncio
import json
import re

import msgspec
import pytest

from builders import Clinic, Server
from conftest import Clock, serving
from mediqon import headers
from mediqon.settings import Settings, SettingsError, read_settings
from mediqon.web.routes import files

pytestmark = pytest.mark.anyio

PAGES = ("/", "/book", "/desk", "/display/x", "/t/x", "/web/shared/api.js", "/web/shared/look.css")


async def test_every_answer_carries_every_header_once(clinic: Clinic) -> None:
    server = clinic.server
    answers = [
        *[await server.http.get(page) for page in PAGES],
        await server.http.get(f"/queues/{clinic.doctor_id}"),
        await server.http.get("/health/live"),
        await server.http.get("/schema/openapi.json"),
        await server.http.get("/nowhere"),
        await server.http.get("/queues/99999"),
        await server.http.get("/queues/x"),
        await server.http.delete("/health/live"),
        await server.http.options("/book"),
        await server.http.get("/auth/me"),
        await server.http.post("/auth/login", content=b"{bad"),
        await server.http.post("/auth/login", content=b"x" * 70_000),
        await server.http.post("/auth/login", json={"email": "a", "password": "b"}),
    ]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 405, 413}
    for answer in answers:
        for name, value in headers.ALWAYS.items():
            assert answer.headers.get_list(name) == [value], (answer.url, name)
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}, answer.url
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)


async def test_what_is_no_http_at_all_is_answered_with_the_same_headers(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(b"GET\x00 / HTTP/9.9\r\n\r\n")
    answer = (await reader.read()).decode().lower()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith("http/1.1 400")
    for name, value in headers.ALWAYS.items():
        assert f"{name}: {value}".lower() in answer


async def test_tls_is_demanded_for_good_where_people_reach_us_over_it(settings: Settings, clock: Clock) -> None:
    secure = msgspec.structs.replace(settings, public_url="https://queue.clinic.example")
    async with serving(secure, clock) as running:
        for path in ("/", "/nowhere"):
            answer = await running.http.get(path)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_no_page_holds_what_the_policy_forbids_or_asks_anybody_else() -> None:
    assert "unsafe" not in headers.CONTENT_SECURITY_POLICY
    assert "*" not in headers.CONTENT_SECURITY_POLICY
    for path, (body, _, _) in files().items():
        text = body.decode()
        if path.endswith(".html"):
            assert re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=|javascript:", text) is None, path
        assert re.search(r"(?:src|href|url\(|from|import)\s*[=(\"']+\s*(?:https?:)?//", text) is None, path
        assert re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text) is None, path


async def test_markup_in_a_name_stays_text_in_json(clinic: Clinic) -> None:
    name = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    await clinic.reception.walk_in(clinic.doctor_id, name)
    answer = await clinic.doctor.today(clinic.doctor_id)
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.raw)["waiting"][0]["patient"]["name"] == name


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.1,*", "10.0.0.0/33", "127.0.0.1 10.0.0.1"])
def test_a_proxy_is_trusted_by_its_address_only(proxies: str) -> None:
    with pytest.raises(SettingsError, match="MEDIQON_TRUSTED_PROXIES"):
        read_settings({"MEDIQON_TRUSTED_PROXIES": proxies})


def test_addresses_and_networks_of_proxies_are_settings() -> None:
    for proxies in ("", "10.0.0.1", "10.0.0.0/8, 2001:db8::/32"):
        assert read_settings({"MEDIQON_TRUSTED_PROXIES": proxies}).trusted_proxies == proxies
