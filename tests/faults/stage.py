"""A real server with two workers, and wires of our own between it, Redis and the screens: where faults happen."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from shutil import rmtree
from urllib.parse import unquote, urlsplit

from cable import Cable, laid_cable
from mediqon import embedded
from mediqon.settings import Settings
from processes import Serve, end_all, within
from wire import Wire, wire_to

STARTED_SECONDS = 40
WORKERS = "2"


class Stage:
    """`settings` reach PostgreSQL and Redis directly; workers reach Redis over `wire`, and screens use `cable`."""

    def __init__(self, directory: Path, settings: Settings, wire: Wire, cable: Cable, redis_over_wire: str) -> None:
        self.directory, self.wire, self.cable, self.settings = directory, wire, cable, settings
        self._redis = redis_over_wire
        self.serve = self._started("0")

    def _started(self, port: str) -> Serve:
        serve = Serve(self.directory / "data", "--port", port, "--workers", WORKERS, REDIS_URL=self._redis)
        assert within(STARTED_SECONDS, serve.answers), serve.said
        self.cable.plug(serve.url)
        return serve

    async def start_again(self) -> None:
        """The server on the same port, when its parent process has ended."""
        self.serve.process.wait()
        self.serve = await asyncio.to_thread(self._started, str(urlsplit(self.serve.url).port))


@asynccontextmanager
async def a_stage() -> AsyncGenerator[Stage]:
    """Everything in a directory of its own, and taken down at the end."""
    directory = Path(tempfile.mkdtemp(prefix="mqf"))
    async with AsyncExitStack() as stack:
        stack.callback(rmtree, directory)
        apart = Settings(data_dir=directory / "redis", db_host="elsewhere")
        redis_url = (await stack.enter_async_context(embedded.servers(apart, say=print))).redis_url
        there = Path(unquote(urlsplit(redis_url).path))
        wire, sockets = await stack.enter_async_context(wire_to(there))
        cable = await stack.enter_async_context(laid_cable())
        over_wire = redis_url.replace(there.parent.as_posix(), sockets.as_posix())
        reached = Settings(data_dir=directory / "data", redis_url=redis_url)
        stage = await asyncio.to_thread(Stage, directory, reached, wire, cable, over_wire)
        stack.callback(_end, stage)
        stage.settings = await stack.enter_async_context(embedded.servers(reached, say=print))
        yield stage


def _end(stage: Stage) -> None:
    end_all(stage.directory / "data")
    stage.serve.process.wait()
