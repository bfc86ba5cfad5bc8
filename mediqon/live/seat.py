"""Where one socket sits: what it watches, and what is undone when it leaves."""

import asyncio
from collections.abc import Callable

from mediqon.errors import NotFound
from mediqon.live.channels import Close
from mediqon.live.feed import Feed
from mediqon.live.hub import Watcher
from mediqon.live.traffic import TRAFFIC

ID_DIGITS = 19


class Seat:
    """Taken step by step; `leave` undoes exactly the steps that were taken, wherever it went wrong."""

    __slots__ = (
        "_address",
        "_audience",
        "_display",
        "_doctor_ids",
        "_expiry",
        "_feed",
        "_unheed",
        "_user_id",
        "_watcher",
    )

    def __init__(self, feed: Feed, watcher: Watcher) -> None:
        self._feed, self._watcher = feed, watcher
        TRAFFIC.sockets += 1
        self._address = self._display = ""
        self._user_id = 0
        self._audience = "public"
        self._doctor_ids: tuple[int, ...] = ()
        self._expiry: asyncio.TimerHandle | None = None
        self._unheed: Callable[[], None] | None = None

    def enter(self, address: str) -> None:
        """Raises TooManySockets."""
        self._feed.crowd.enter(address)
        self._address = address

    def enter_as(self, user_id: int) -> None:
        """The same for an account. Raises TooManySockets."""
        self._feed.crowd.enter_as(user_id)
        self._user_id = user_id

    async def watch_queue(self, doctor_id: int) -> None:
        """Raises NotFound."""
        self._doctor_ids = (doctor_id,)
        await self._feed.watch(doctor_id, self._audience, self._watcher)

    async def watch_display(self, key: str) -> None:
        """Every doctor on a display. Raises NotFound."""
        self._display = key
        self._doctor_ids = tuple(await self._feed.watch_display(key, self._watcher))
        for doctor_id in self._doctor_ids:
            await self._feed.watch(doctor_id, self._audience, self._watcher)

    async def watch_desk(self, doctor_id: int, seconds: float) -> None:
        """The staff queue, until the log-in is over in so many seconds. Raises NotFound."""
        self._audience = "desk"
        self._expiry = asyncio.get_running_loop().call_later(seconds, self._watcher.close, Close.LOG_IN_AGAIN)
        await self.watch_queue(doctor_id)

    def heed(self, watch: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
        """Closes when the session ends. `watch(told)` says so once, and returns how to stop watching."""
        self._unheed = watch(lambda: self._watcher.close(Close.LOG_IN_AGAIN))

    def leave(self) -> None:
        """Gives everything back."""
        TRAFFIC.sockets -= 1
        if self._unheed is not None:
            self._unheed()
        if self._address:
            self._feed.crowd.leave(self._address)
        if self._user_id:
            self._feed.crowd.leave(self._user_id)
        if self._display:
            self._feed.unwatch_display(self._display, self._watcher)
        if self._expiry is not None:
            self._expiry.cancel()
        for doctor_id in self._doctor_ids:
            self._feed.unwatch(doctor_id, self._audience, self._watcher)


def number_of(text: str) -> int:
    """A doctor's id as it stands in a path. Raises NotFound."""
    if not (text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS):
        raise NotFound
    return int(text)
