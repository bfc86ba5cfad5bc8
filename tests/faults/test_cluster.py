"""Two processes over a real Redis Cluster: a slot moves, a master dies and its replica takes over, screens keep up."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import msgspec
import pytest

from builders import Clinic, Screen, Server, open_clinic
from conftest import Clock, serving
from mediqon import database
from mediqon.checkup import redis_finding
from mediqon.live.channels import day_channel, echo_channel
from mediqon.live.cluster import Cluster as ClusterBus
from mediqon.queues.models import DayKey
from mediqon.settings import Settings
from redis_cluster import MASTERS, PASSWORD, Cluster, Node, redis_cluster

pytestmark = pytest.mark.anyio

BEHIND_SECONDS = 3.0  # two seconds, and what a busy machine adds
PROMPT_SECONDS = 0.3
RECOVERY_SECONDS = 15.0
DOCTORS = 6


class Estate(NamedTuple):
    """Two processes that share a cluster and a database; everything is changed at `here` and shown at both."""

    cluster: Cluster
    here: Server
    there: Server
    clinic: Clinic
    doctors: list[int]
    channels: list[str]
    """The doctors' channels of today."""


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with redis_cluster() as made:
        yield made


@pytest.fixture
async def estate(cluster: Cluster, settings: Settings, clock: Clock) -> AsyncIterator[Estate]:
    shared = msgspec.structs.replace(settings, redis_url=cluster.url)
    async with serving(shared, clock) as here, serving(shared, clock) as there:
        clinic = await open_clinic(here)
        doctors = [clinic.doctor_id, *[(await clinic.add_doctor())[0] for _ in range(DOCTORS - 1)]]
        async with database.connection(shared) as conn:
            installation = str(await conn.fetchval("select id from installation"))
        channels = [day_channel(installation, DayKey(doctor, clock().date())) for doctor in doctors]
        yield Estate(cluster, here, there, clinic, doctors, channels)


class Walls:
    """A screen of each doctor at both processes."""

    def __init__(self, estate: Estate, screens: dict[int, list[Screen]]) -> None:
        self._estate, self._screens = estate, screens
        self._versions = dict.fromkeys(screens, 0)

    async def keep_up(self, within: float) -> float:
        """Somebody comes to every doctor; the seconds until each screen shows it, and never goes back."""
        worst = 0.0
        for doctor, screens in self._screens.items():
            assert (await self._estate.clinic.reception.walk_in(doctor)).status == 201
            self._versions[doctor] += 1
            begun = time.monotonic()
            async with asyncio.timeout(within):
                for screen in screens:
                    assert (await screen.version(self._versions[doctor]))["version"] == self._versions[doctor]
            worst = max(worst, time.monotonic() - begun)
        return worst


async def live(estate: Estate, shown: Walls) -> None:
    """Both processes are well again in time, and screens are told over the cluster, not by the sweep."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while await shown.keep_up(BEHIND_SECONDS) > PROMPT_SECONDS:
            pass
        for server in (estate.here, estate.there):
            while (await server.anybody.get("/health/ready"))["redis"] != "ok":
                await asyncio.sleep(0.05)


async def walls(estate: Estate, stack: AsyncExitStack) -> Walls:
    screens: dict[int, list[Screen]] = {}
    for doctor in estate.doctors:
        for server in (estate.here, estate.there):
            screen = await stack.enter_async_context(server.watch(f"/live/queues/{doctor}"))
            await screen.frame()
            screens.setdefault(doctor, []).append(screen)
    return Walls(estate, screens)


async def attempts_are_counted(estate: Estate) -> None:
    """Over the cluster: whoever has tried too often at one process waits at the other. And `mediqon check` knows it."""
    stranger = {"email": "a@b.example", "password": "no"}
    async with asyncio.timeout(RECOVERY_SECONDS):
        while (await estate.here.anybody.post("/auth/login", stranger)).status != 429:
            pass
    assert (await estate.there.anybody.post("/auth/login", stranger)).status == 429
    one_host = f"redis://:{PASSWORD}@127.0.0.1:{estate.cluster.nodes[0].port}"
    assert (await redis_finding(estate.here.settings)).startswith("ok, Valkey")
    for wrong in (one_host, f"{one_host},127.0.0.1:1"):
        assert not (await redis_finding(Settings(redis_url=wrong))).startswith("ok")


async def test_over_a_cluster_screens_keep_up_while_a_slot_moves_and_masters_freeze_and_die(estate: Estate) -> None:
    cluster, second = estate.cluster, estate.cluster.nodes[MASTERS]
    await attempts_are_counted(estate)
    async with AsyncExitStack() as stack:
        shown = await walls(estate, stack)
        await live(estate, shown)

        moving = estate.channels[0]
        for target in ((await cluster.owner(moving) + 1) % MASTERS, 0):
            await cluster.move(moving, target)
            await shown.keep_up(BEHIND_SECONDS)
            await live(estate, shown)

        cluster.nodes[0].freeze()
        await shown.keep_up(BEHIND_SECONDS)
        begun = time.monotonic()
        tried = await estate.there.anybody.post("/auth/login", {"email": "c@d.example", "password": "no"})
        assert tried.status in {401, 429}
        assert time.monotonic() - begun < BEHIND_SECONDS
        await second.promoted()
        await live(estate, shown)

        cluster.nodes[0].thaw()
        await cluster.nodes[0].follows()
        await live(estate, shown)
        second.kill()
        await shown.keep_up(BEHIND_SECONDS)
        await cluster.nodes[0].promoted()
        await live(estate, shown)


async def listeners(node: Node) -> set[bytes]:
    """The connections that are subscribed to something at this server."""
    return {line.split()[0] for line in (await node.ask("CLIENT", "LIST", "TYPE", "PUBSUB")).splitlines()}


async def test_a_master_that_gains_a_slot_is_listened_to_without_a_break(cluster: Cluster) -> None:
    def hear(_channel: str, _payload: bytes) -> None:
        pass

    bus = ClusterBus(cluster.url, "clinic", "process", hear)
    bus.start()
    try:
        async with asyncio.timeout(RECOVERY_SECONDS):
            while not bus.healthy:
                await asyncio.sleep(0.01)
        echo = echo_channel("clinic", "process:0")
        losing = await cluster.owner(echo)
        gaining = (losing + 1) % MASTERS
        before = {number: await listeners(cluster.nodes[number]) for number in (losing, gaining)}
        await cluster.move(echo, gaining)
        async with asyncio.timeout(RECOVERY_SECONDS):
            while await listeners(cluster.nodes[losing]) <= before[losing] or not bus.healthy:
                await asyncio.sleep(0.05)
        assert await listeners(cluster.nodes[gaining]) == before[gaining]
    finally:
        await bus.stop()
