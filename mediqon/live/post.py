"""What is sent to one Redis, over one connection: all that has come up by a turn of the event loop goes together."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

ANSWER_SECONDS = 2.0
"""A connection that has not answered by then is given up."""

LOST = (RedisError, OSError, TimeoutError)

Sent = asyncio.Future[None]


class Post:
    """Takes messages from anybody, and carries them while there is a connection."""

    def __init__(self, command: str) -> None:
        """`command`: PUBLISH or SPUBLISH."""
        self._command = command
        self._due: list[tuple[Mapping[str, bytes], Sent]] = []
        self._news = asyncio.Event()

    async def send(self, messages: Mapping[str, bytes]) -> None:
        """Returns when Redis has these messages by channel; who calls says how long that may take.

        Raises what is in LOST when the connection is lost or Redis refuses.
        """
        sent: Sent = asyncio.get_running_loop().create_future()
        self._due.append((messages, sent))
        self._news.set()
        await sent

    async def carry(self, connection: Any) -> None:
        """Sends what comes up until the connection is lost, and raises what it was lost by."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                batch, self._due = [each for each in self._due if not each[1].done()], []  # done: given up waiting
                await self._exchange(connection, batch)
        finally:
            await connection.disconnect(nowait=True)

    async def _exchange(self, connection: Any, batch: Sequence[tuple[Mapping[str, bytes], Sent]]) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                commands = [(self._command, *each) for messages, _ in batch for each in messages.items()]
                await connection.send_packed_command(connection.pack_commands(commands))
                for messages, sent in batch:
                    refusals = [refusal for _ in messages if (refusal := await _refusal(connection))]
                    _settle(sent, next(iter(refusals), None))
        except LOST as error:
            for _, sent in batch:
                _settle(sent, error)
            raise


def _settle(sent: Sent, error: Exception | None) -> None:
    """Whoever sent it may have given up waiting."""
    if sent.done():
        return
    if error is None:
        sent.set_result(None)
    else:
        sent.set_exception(error)


async def _refusal(connection: Any) -> ResponseError | None:
    try:
        await connection.read_response()
    except ResponseError as refusal:
        return refusal
    return None
