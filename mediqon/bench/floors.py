"""What nothing can beat on this machine: bare processes that only send, and only answer.

`python -m mediqon.bench.floors sends FD BYTES` and `… answers FD` serve on an inherited listening socket.
"""

import re
import select
import socket
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from itertools import count
from typing import Any

import uvicorn

from mediqon.bench.site import Site
from mediqon.bench.wire import MEDIUM, TEXT, Address

BACKLOG = 2048
READ_BYTES = 4096
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
HEADER_BYTES = 4


@contextmanager
def floor(site: Site, kind: str, *arguments: str) -> Generator[Address]:
    """Runs one of these processes; yields where it listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        fd = listener.fileno()
        with site.child("-m", "mediqon.bench.floors", kind, str(fd), *arguments, descriptors=(fd,)):
            yield listener.getsockname()


def send_loop(listener: socket.socket, frame_bytes: int) -> None:
    """One `send()` for each screen of a day: what a fan-out costs the kernel. Never returns."""
    days: defaultdict[int, list[socket.socket]] = defaultdict(list)
    version = count(1)
    epoll, connections = select.epoll(), dict[int, socket.socket]()
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                epoll.register(connection, select.EPOLLIN)
                continue
            said = connections[fd].recv(READ_BYTES)
            if watched := re.match(rb"GET /live/queues/(\d+) ", said):
                connections[fd].sendall(UPGRADED + _frame(0, frame_bytes))
                days[int(watched[1])].append(connections[fd])
            elif not said:
                epoll.unregister(fd)
                connections.pop(fd).close()
            for day in said.split() if said and not watched else ():
                frame = _frame(next(version), frame_bytes)
                for screen in days[int(day)]:
                    screen.send(frame)


def _frame(version: int, frame_bytes: int) -> bytes:
    """A websocket frame of exactly that size with a version in it."""
    payload = (b'{"version":%d}' % version).ljust(max(frame_bytes - HEADER_BYTES, MEDIUM))
    return bytes([128 | TEXT, MEDIUM]) + len(payload).to_bytes(2, "big") + payload


def answer_loop(listener: socket.socket) -> None:
    """Answers with as many bytes as the path asks for, and 304 to whoever names an ETag. Never returns."""

    async def app(scope: dict[str, Any], _receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        known = any(name == b"if-none-match" for name, _ in scope["headers"])
        body = b"" if known else b"x" * int(scope["path"].rpartition("/")[2])
        headers = [(b"etag", b'"floor"')] + [(b"content-length", b"%d" % len(body))] * (not known)
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    configuration = uvicorn.Config(app, loop="uvloop", http="httptools", lifespan="off", log_level="warning")
    uvicorn.Server(configuration).run(sockets=[listener])


def main() -> None:
    """Serves what the first argument names until it is ended."""
    kind, fd, *arguments = sys.argv[1:]
    listener = socket.socket(fileno=int(fd))
    if kind == "sends":
        send_loop(listener, int(arguments[0]))
    else:
        answer_loop(listener)


if __name__ == "__main__":
    main()
