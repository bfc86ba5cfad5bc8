"""Many screens that come at once, from a process of their own: `python -m faults.storm PORT SCREENS COME STAY`."""

import asyncio
import sys

LIMIT_SECONDS = 40.0
ASKED = (
    b"GET /live/queues/1 HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def storm(port: int, screens: int, come: int, stay: int) -> None:
    """So many within `come` seconds. Each waits for its first frame; `stay` seconds after all have it they leave."""
    guests = [asyncio.create_task(_guest(port, number / screens * come)) for number in range(screens)]
    async with asyncio.timeout(come + LIMIT_SECONDS):
        writers = await asyncio.gather(*guests)
    await asyncio.sleep(stay)
    for writer in writers:
        writer.transport.abort()


async def _guest(port: int, delay: float) -> asyncio.StreamWriter:
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASKED)
    await reader.readuntil(b'"type":"queue"')
    return writer


if __name__ == "__main__":
    asyncio.run(storm(*map(int, sys.argv[1:5])))
