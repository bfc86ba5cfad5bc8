"""Frames to many sockets without keeping everybody else waiting: in slices, with other work between them."""

import asyncio
import logging
from collections import deque

from mediqon.live.hub import Audience

log = logging.getLogger(__name__)

SLICE_SENDS = 64


class FanOut:
    """Serves the audiences of a process in turns; each always gets its newest frame, whatever was owed to it before."""

    def __init__(self) -> None:
        self._turns: deque[Audience] = deque()
        self._task: asyncio.Task[None] | None = None

    def send(self, audience: Audience) -> None:
        """The first slice goes out at once, the rest in its turn."""
        if audience not in self._turns and audience.send(SLICE_SENDS):
            self._turns.append(audience)
            if self._task is None:
                self._task = asyncio.create_task(self._serve(), name="fan-out")

    async def _serve(self) -> None:
        try:
            while self._turns:
                audience = self._turns.popleft()
                if self._sent(audience):
                    self._turns.append(audience)
                await asyncio.sleep(0)
        finally:
            self._task = None

    def _sent(self, audience: Audience) -> bool:
        """Whether some are left. A day that cannot be shown keeps nobody else from seeing theirs."""
        try:
            return audience.send(SLICE_SENDS)
        except Exception:
            log.exception("a day could not be sent")
            return False

    async def stop(self) -> None:
        self._turns.clear()
        if self._task is not None:
            await self._task
