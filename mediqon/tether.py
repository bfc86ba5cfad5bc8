"""The tether between a parent and its child: a socket pair whose far end is the child's standard input.

Over it the child says that it is ready and then, as long as its event loop turns, that it lives; and it closes with the
parent, however the parent ends.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache

FD = 0
BEAT_S = 1.0
SILENT_S = 2.0
SILENCES = 3  # in a row: a single one may be our own, when we or the whole machine were stopped meanwhile
SILENCE_S = SILENT_S * SILENCES


async def announced(ours: socket.socket) -> None:
    """In the parent: returns when the child has spoken. If the tether closes instead, the child is just ending."""
    while not await asyncio.get_running_loop().sock_recv(ours, 1):
        await asyncio.Event().wait()


async def silence(ours: socket.socket) -> None:
    """In the parent: returns when a child that beats has not been heard for SILENCE_S."""
    missed = 0
    while missed < SILENCES:
        try:
            async with asyncio.timeout(SILENT_S):
                await announced(ours)
            missed = 0
        except TimeoutError:
            missed += 1


def announce() -> None:
    """In the child: tells the parent that we are here. Never waits for a parent that does not listen."""
    with suppress(OSError):
        _theirs().send(b"+", socket.MSG_DONTWAIT)


async def beat() -> None:
    """In the child's event loop, for ever: the parent hears that it turns."""
    while True:
        announce()
        await asyncio.sleep(BEAT_S)


def when_orphaned(leave: Callable[[], None]) -> None:
    """In the child: runs `leave` once, in a thread of its own, when the parent is gone."""

    def watch() -> None:
        with suppress(OSError):
            while os.read(FD, 1):
                pass
        leave()

    threading.Thread(target=watch, name="tether", daemon=True).start()


@cache
def _theirs() -> socket.socket:
    return socket.socket(fileno=FD)
