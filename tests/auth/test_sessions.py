"""Sessions: how one goes on after a lost answer, and how it ends everywhere within seconds, open sockets included."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, numbers, open_clinic, refused
from conftest import Clock, serving
from mediqon.auth import sessions
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

WITHIN_SECONDS = 5.0
NEW_PASSWORD = "another horse 2"


class Real(Clock):
    """Goes by itself."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
async def living(settings: Settings) -> AsyncIterator[Server]:
    """A server whose clock goes by itself."""
    async with serving(settings, Real()) as running:
        yield running


async def somebody(server: Server) -> tuple[Asker, Answer]:
    patient = await server.patient()
    answer = await server.anybody.post("/auth/login", {"email": patient.email, "password": PASSWORD})
    return Asker(server.http, answer["access_token"], patient.email), answer


async def refresh(server: Server, token: str, **headers: str) -> Answer:
    return await server.anybody.post("/auth/refresh", {"refresh_token": token}, **headers)


async def test_refreshes_of_one_token_at_once_under_one_key_get_one_and_the_same_successor(living: Server) -> None:
    token = (await somebody(living))[1]["refresh_token"]
    answers = await asyncio.gather(*(refresh(living, token, idempotency_key="k" * 20) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    successors = {answer["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert (await refresh(living, successors.pop())).status == 200


async def test_after_a_lost_answer_the_same_key_gets_the_same_successor_once_more(server: Server) -> None:
    token = (await somebody(server))[1]["refresh_token"]
    first = await refresh(server, token, idempotency_key="a-random-key")
    again = await refresh(server, token, idempotency_key="a-random-key")
    assert (again.status, again["refresh_token"]) == (200, first["refresh_token"])
    assert (await refresh(server, first["refresh_token"])).status == 200
    refused(await refresh(server, token, idempotency_key="a-random-key"), 401, "invalid_token")


async def test_another_key_or_too_late_is_a_second_use_and_ends_the_session(server: Server, clock: Clock) -> None:
    for key, wait in (("another key", 0.0), ("a key", sessions.GRACE.total_seconds() + 1)):
        token = (await somebody(server))[1]["refresh_token"]
        first = await refresh(server, token, idempotency_key="a key")
        clock.forward(seconds=wait)
        refused(await refresh(server, token, idempotency_key=key), 401, "invalid_token")
        refused(await refresh(server, first["refresh_token"]), 401, "invalid_token")


async def test_a_second_use_ends_the_access_tokens_of_the_session_too(server: Server) -> None:
    asker, login = await somebody(server)
    await refresh(server, login["refresh_token"])
    assert (await asker.get("/auth/me")).status == 200
    await refresh(server, login["refresh_token"])
    refused(await asker.get("/auth/me"), 401, "invalid_token")


async def test_a_log_out_ends_access_tokens_in_every_process_within_seconds(
    server: Server, settings: Settings, clock: Clock
) -> None:
    asker, login = await somebody(server)
    async with serving(settings, clock) as second:
        there = Asker(second.http, asker.token)
        assert (await there.get("/auth/me")).status == 200
        assert (await asker.post("/auth/logout", {"refresh_token": login["refresh_token"]})).status == 204
        refused(await asker.get("/auth/me"), 401, "invalid_token")
        async with asyncio.timeout(WITHIN_SECONDS):
            while (await there.get("/auth/me")).status == 200:
                await asyncio.sleep(0.1)
    async with serving(settings, clock) as later:
        refused(await Asker(later.http, asker.token).get("/auth/me"), 401, "invalid_token")


async def test_a_disabled_colleague_is_out_of_every_process_and_every_open_desk_within_seconds(
    clinic: Clinic, server: Server, settings: Settings, clock: Clock
) -> None:
    staff = f"/hospitals/{clinic.hospital_id}/staff"
    email = f"colleague{next(numbers)}@example.org"
    made = await clinic.reception.post(staff, {"name": "Col League", "email": email, "password": PASSWORD})
    asker = await server.log_in(email)
    desk = f"/live/desk/{clinic.doctor_id}"
    async with (
        serving(settings, clock) as second,
        server.watch(desk, asker) as here,
        second.watch(desk, asker) as there,
        second.watch(desk, clinic.doctor) as doctors,
    ):
        for screen in (here, there, doctors):
            assert (await screen.frame())["type"] == "desk"
        assert (await clinic.reception.delete(f"{staff}/{made['id']}")).status == 204
        async with asyncio.timeout(WITHIN_SECONDS):
            assert [await here.closed(), await there.closed()] == [4401, 4401]
        for http in (server.http, second.http):
            refused(await Asker(http, asker.token).today(clinic.doctor_id), 401, "invalid_token")
        await clinic.reception.walk_in(clinic.doctor_id)
        assert (await doctors.frame())["version"] == 1


async def test_another_password_ends_every_other_session_and_the_old_password(server: Server) -> None:
    asker, own = await somebody(server)
    other, elsewhere = (
        await server.log_in(asker.email),
        await server.anybody.post("/auth/login", {"email": asker.email, "password": PASSWORD}),
    )
    change = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await asker.post("/auth/password", change)).status == 204
    assert (await asker.get("/auth/me")).status == 200
    assert (await refresh(server, own["refresh_token"])).status == 200
    refused(await other.get("/auth/me"), 401, "invalid_token")
    refused(await refresh(server, elsewhere["refresh_token"]), 401, "invalid_token")
    old = await server.anybody.post("/auth/login", {"email": asker.email, "password": PASSWORD})
    refused(old, 401, "invalid_credentials")
    await server.log_in(asker.email, NEW_PASSWORD)


async def test_a_password_is_changed_by_who_knows_it_only_and_to_one_that_may_be(server: Server) -> None:
    asker, _ = await somebody(server)
    refused(await asker.post("/auth/password", {"password": "x", "new_password": NEW_PASSWORD}), 403, "wrong_password")
    for weak in ("password123", "short", asker.email):
        answer = await asker.post("/auth/password", {"password": PASSWORD, "new_password": weak})
        refused(answer, 400, "malformed")
        assert answer["errors"][0]["field"] == "new_password"
    refused(
        await server.anybody.post("/auth/password", {"password": PASSWORD, "new_password": "x"}), 401, "unauthenticated"
    )
    await server.log_in(asker.email)


async def test_a_log_in_with_the_old_password_while_it_is_changed_makes_no_session_that_stays(living: Server) -> None:
    for _ in range(3):
        asker, _ = await somebody(living)
        login = {"email": asker.email, "password": PASSWORD}
        change = {"password": PASSWORD, "new_password": NEW_PASSWORD}
        _, *logins = await asyncio.gather(
            asker.post("/auth/password", change), *(living.anybody.post("/auth/login", login) for _ in range(3))
        )
        for answer in logins:
            assert answer.status in {200, 401}
            if answer.status == 200:
                refused(await refresh(living, answer["refresh_token"]), 401, "invalid_token")


async def test_a_key_can_be_changed_without_logging_anybody_out(settings: Settings, clock: Clock) -> None:
    fresh = msgspec.structs.replace(settings, jwt_secret="n" * 40, jwt_secret_previous=settings.jwt_secret)
    alone = msgspec.structs.replace(fresh, jwt_secret_previous="")
    async with serving(settings, clock) as old:
        asker, _ = await somebody(old)
    async with serving(fresh, clock) as changed:
        assert (await Asker(changed.http, asker.token).get("/auth/me")).status == 200
        newer = await changed.log_in(asker.email)
    async with serving(alone, clock) as after:
        refused(await Asker(after.http, asker.token).get("/auth/me"), 401, "invalid_token")
        assert (await Asker(after.http, newer.token).get("/auth/me")).status == 200


async def test_a_repetition_across_a_change_of_key_is_still_the_same_request(settings: Settings, clock: Clock) -> None:
    body = {"name": "A", "email": "once@example.org", "password": PASSWORD}
    fresh = msgspec.structs.replace(settings, jwt_secret="n" * 40, jwt_secret_previous=settings.jwt_secret)
    async with serving(settings, clock) as old, serving(fresh, clock) as changed:
        first = await old.anybody.post("/auth/register", body, idempotency_key="k")
        again = await changed.anybody.post("/auth/register", body, idempotency_key="k")
    assert (again.status, again["id"]) == (201, first["id"])


class Browser:
    """Somebody with a browser: what it may not read, it keeps in cookies."""

    def __init__(self, server: Server, **headers: str) -> None:
        self.server, self.headers, self.cookies = server, headers, dict[str, str]()

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.server.anybody.post(path, body, **self.headers, **headers, cookie=cookie)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if not self.cookies[name]:
                del self.cookies[name]
        return answer

    async def log_in(self) -> Answer:
        patient = await self.server.patient()
        return await self.post("/auth/login", {"email": patient.email, "password": PASSWORD, "cookie": True})


async def test_a_browser_keeps_its_refresh_token_where_no_script_reads_it(server: Server) -> None:
    browser = Browser(server)
    login = await browser.log_in()
    assert (login.status, login["refresh_token"]) == (200, None)
    attributes = login.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in attributes.split(";")}
    assert "domain" not in attributes
    assert "secure" not in attributes, "a browser on plain http would throw it away"
    [secret] = browser.cookies.values()
    assert secret.encode() not in login.raw
    renewed = await browser.post("/auth/refresh")
    assert (renewed.status, renewed["refresh_token"], renewed["user"]) == (200, None, login["user"])
    assert (await Asker(server.http, renewed["access_token"]).get("/auth/me")).status == 200


async def test_behind_tls_the_cookie_is_bound_to_the_host_and_to_tls(settings: Settings, clock: Clock) -> None:
    secure = msgspec.structs.replace(settings, public_url="https://queue.clinic.example")
    async with serving(secure, clock) as running:
        login = await Browser(running).log_in()
    assert login.headers["set-cookie"].startswith("__Host-mediqon-refresh=")
    assert {"secure", "httponly", "path=/"} <= {part.strip().lower() for part in login.headers["set-cookie"].split(";")}


async def test_several_tabs_that_renew_by_one_cookie_stay_logged_in(server: Server, clock: Clock) -> None:
    browser = Browser(server)
    await browser.log_in()
    slow = Browser(server)
    slow.cookies = dict(browser.cookies)
    assert (await browser.post("/auth/refresh")).status == (await slow.post("/auth/refresh")).status == 200
    assert slow.cookies == browser.cookies
    spent = Browser(server)
    spent.cookies = dict(browser.cookies)
    await browser.post("/auth/refresh")
    clock.forward(seconds=sessions.GRACE.total_seconds() + 1)
    refused(await spent.post("/auth/refresh"), 401, "invalid_token")
    refused(await browser.post("/auth/refresh"), 401, "invalid_token")


async def test_twenty_tabs_that_renew_at_once_get_one_and_the_same_successor(living: Server) -> None:
    browser = Browser(living)
    await browser.log_in()
    tabs = [Browser(living) for _ in range(20)]
    for tab in tabs:
        tab.cookies = dict(browser.cookies)
    answers = await asyncio.gather(*(tab.post("/auth/refresh") for tab in tabs))
    assert {answer.status for answer in answers} == {200}
    assert len({tuple(tab.cookies.values()) for tab in tabs}) == 1
    assert (await tabs[0].post("/auth/refresh")).status == 200


async def test_a_log_out_by_cookie_needs_nothing_else_and_takes_the_cookie_away(server: Server) -> None:
    browser = Browser(server)
    login = await browser.log_in()
    kept = dict(browser.cookies)
    assert (await browser.post("/auth/logout")).status == 204
    assert browser.cookies == {}
    refused(await Asker(server.http, login["access_token"]).get("/auth/me"), 401, "invalid_token")
    browser.cookies = kept
    refused(await browser.post("/auth/refresh"), 401, "invalid_token")
    browser.cookies = {next(iter(kept)): "nonsense"}
    refused(await browser.post("/auth/logout"), 401, "invalid_token")


async def test_another_sites_page_can_neither_use_a_cookie_nor_set_one(server: Server) -> None:
    browser = Browser(server)
    await browser.log_in()
    elsewhere = [{"origin": origin} for origin in ("https://evil.example", "null", "http://[", "")]
    for headers in (*elsewhere, {"sec_fetch_site": "cross-site"}):
        refused(await browser.post("/auth/refresh", **headers), 403, "cross_origin")
        refused(await browser.post("/auth/logout", **headers), 403, "cross_origin")
        login = {"email": "a@example.org", "password": PASSWORD, "cookie": True}
        refused(await browser.post("/auth/login", login, **headers), 403, "cross_origin")
    assert (await browser.post("/auth/refresh", origin=server.url, sec_fetch_site="same-origin")).status == 200


async def test_without_token_and_without_cookie_there_is_nothing_to_renew(server: Server) -> None:
    for body in (None, b"{}"):
        answer = await server.anybody.post("/auth/refresh", body)
        refused(answer, 400, "malformed")
        assert answer["errors"][0]["field"] == "refresh_token"
    refused(await server.anybody.post("/auth/logout", {}), 401, "unauthenticated")


async def test_a_colleagues_sessions_are_not_the_neighbours(server: Server, clinic: Clinic) -> None:
    elsewhere = await open_clinic(server)
    login = await server.anybody.post("/auth/login", {"email": elsewhere.reception.email, "password": PASSWORD})
    assert (await clinic.reception.post("/auth/logout", {"refresh_token": login["refresh_token"]})).status == 204
    assert (await refresh(server, login["refresh_token"])).status == 200
