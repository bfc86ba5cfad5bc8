"""Two hosts behind a balancer that knows nothing of them: no request needs a certain one, and one of them may leave."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from builders import Server, open_clinic
from cable import laid_cable
from conftest import Clock, serving
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

CROWD = 6
SETTLED_SECONDS = 1.0


async def test_nothing_is_sticky_and_whoever_was_at_the_host_that_leaves_goes_on_at_the_other(
    settings: Settings, clock: Clock
) -> None:
    async with (
        laid_cable() as balancer,
        serving(settings, clock) as staying,
        AsyncExitStack() as leaving,
        AsyncExitStack() as walls,
        Server(balancer.url, settings, clock) as both,
    ):
        left = await leaving.enter_async_context(serving(settings, clock))
        balancer.plug(staying.url, left.url)
        clinic = await open_clinic(both)
        path = f"/live/queues/{clinic.doctor_id}"
        screens = [await walls.enter_async_context(both.watch(path)) for _ in range(CROWD)]
        came = await asyncio.gather(*(clinic.reception.walk_in(clinic.doctor_id) for _ in range(CROWD)))
        assert sorted(each["token"] for each in came) == [f"A-W{number:02}" for number in range(1, CROWD + 1)]
        for screen in screens:
            await screen.version(CROWD)
        await leaving.aclose()
        told = [asyncio.create_task(screen.closed()) for screen in screens]
        gone, here = await asyncio.wait(told, timeout=SETTLED_SECONDS)
        assert {each.result() for each in gone} == {1012}
        assert here  # at the other host
        for each in here:
            each.cancel()
        again = await walls.enter_async_context(both.watch(path))
        await both.http.aclose()
        async with Server(balancer.url, settings, clock) as anew:
            reception = type(clinic.reception)(anew.http, clinic.reception.token)
            assert (await reception.walk_in(clinic.doctor_id)).status == 201
        for screen in (again, *(screen for screen, each in zip(screens, told, strict=True) if each in here)):
            await screen.version(CROWD + 1)
