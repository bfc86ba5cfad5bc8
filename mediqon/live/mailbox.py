"""For servers without our protocol: what one socket still has to be told, and the task that tells it."""

import asyncio
from collections.abc import Awaitable, Callable

from mediqon.live.channels import Close
from mediqon.live.hub import Frame

SEND_SECONDS = 10.0
"""A client that takes no frame for so long is too slow and has to connect anew."""


class Mailbox:
    """A Watcher that keeps the newest frame of each doctor, nothing older, until its task takes them."""

    def __init__(self) -> None:
        self._frames: dict[int, bytes] = {}
        self._code: int | None = None
        self._reason = ""
        self._filled = asyncio.Event()

    def deliver(self, doctor_id: int, frame: Frame) -> None:
        self._frames[doctor_id] = frame.bytes
        self._filled.set()

    def close(self, code: int, reason: str = "") -> None:
        self._code, self._reason = code, reason
        self._filled.set()

    async def empty(self, send: Callable[[bytes], Awaitable[None]]) -> tuple[int, str]:
        """Sends frames as they come; returns the code and the reason to close with."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            if self._code is not None:
                return self._code, self._reason
            frames, self._frames = self._frames, {}
            for frame in frames.values():
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send(frame)
                except TimeoutError:
                    return Close.TOO_SLOW, ""
