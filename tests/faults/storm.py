"""Many screens that come at once, from a process of their own: `python -m faults.storm PORT SCREENS`."""

import asyncio
import sys

STORM_SECONDS = 5.0
LIMIT_SECONDS = 40.0
ASKED = (
    b"GET /live/queues/1 HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def storm(port: int, screens: int) -> None:
    """So many within STORM_SECONDS; each waits for its first frame, and when all have it they leave."""
    guests = [asyncio.create_task(_guest(port, number / screens * STORM_SECONDS)) for number in range(screens)]
    async with asyncio.timeout(LIMIT_SECONDS):
        for writer in await asyncio.gather(*guests):
            writer.transport.abort()


async def _guest(port: int, delay: float) -> asyncio.StreamWriter:
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASKED)
    await reader.readuntil(b'"type":"queue"')
    return writer


if __name__ == "__main__":
    asyncio.run(storm(*map(int, sys.argv[1:3])))
