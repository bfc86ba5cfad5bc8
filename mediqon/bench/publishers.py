"""What makes a doctor's day change: the desk over HTTP, the facts straight to Redis, a request of a floor."""

import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import msgspec

from mediqon.bench.callers import Line
from mediqon.bench.wire import Address, dial
from mediqon.live import news
from mediqon.live.channels import day_channel
from mediqon.live.hub import Frame
from mediqon.queues.models import Facts
from mediqon.queues.views import Outlook, public_frame

ANSWER_BYTES = 65_536


class Desk:
    """Changes through the whole write path: the same request again for each day, over so many connections."""

    def __init__(self, address: Address, requests: Sequence[Sequence[bytes]], connections: int) -> None:
        """`requests` holds for each day what is asked in turn, such as to book and to cancel."""
        self._requests, self._turns = requests, [0] * len(requests)
        self._free = [Line(address) for _ in range(connections)]
        self._busy: dict[int, Line] = {}
        self._all = list(self._free)

    @property
    def idle(self) -> bool:
        return bool(self._free)

    def fds(self) -> list[int]:
        return [line.fd for line in self._all]

    def publish(self, day: int) -> None:
        line = self._free.pop()
        self._busy[line.fd] = line
        choices = self._requests[day]
        line.ask(choices[self._turns[day] % len(choices)])
        self._turns[day] += 1

    def heed(self, fd: int) -> None:
        """Raises RuntimeError when a change was refused."""
        heard = self._busy[fd].hear()
        if heard is not None:
            if heard.status not in {200, 201}:
                raise RuntimeError(f"the desk was answered {heard.status}: {heard.body[:300]!r}")
            self._free.append(self._busy.pop(fd))

    def close(self) -> None:
        for line in self._all:
            line.socket.close()


class Bulletin:
    """Changes told over Redis as a server process with screens does it; nothing is written to the database."""

    def __init__(self, redis_url: str, installation: str, facts: Sequence[Facts]) -> None:
        now = datetime.now(UTC)
        self._channels = [day_channel(installation, each.key).encode() for each in facts]
        self._days = [_encoded(each) for each in facts]
        self._news = [news.hear(news.tell(each)) for each in facts]
        self._frames = [public_frame(Outlook(each, now)) for each in facts]
        self._socket = _redis(redis_url)
        self.idle = True

    def fds(self) -> list[int]:
        return [self._socket.fileno()]

    def publish(self, day: int) -> None:
        now, frame = datetime.now(UTC), self._frames[day]
        self._frames[day] = frame = msgspec.structs.replace(frame, version=frame.version + 1)
        encoded = msgspec.msgpack.encode(self._days[day] | {"version": frame.version, "told_at": now})
        public = Frame.of(frame, now).bytes
        told = msgspec.structs.replace(
            self._news[day], version=frame.version, encoded=encoded, drawn_at=now, public=public
        )
        self._socket.sendall(_command(b"PUBLISH", self._channels[day], msgspec.msgpack.encode(told)))

    def heed(self, fd: int) -> None:
        """How many processes have heard it. Raises RuntimeError when Redis refuses."""
        answer = self._socket.recv(ANSWER_BYTES)
        if not answer.startswith(b":"):
            raise RuntimeError(f"Redis answered {answer!r}")

    def close(self) -> None:
        self._socket.close()


class FloorTrigger:
    """Tells the floor's process which day to send."""

    idle = True

    def __init__(self, address: Address) -> None:
        self._socket = dial(address)

    def fds(self) -> list[int]:
        return []

    def publish(self, day: int) -> None:
        self._socket.sendall(b"%d\n" % day)

    def heed(self, fd: int) -> None:
        """It never answers."""

    def close(self) -> None:
        self._socket.close()


def _encoded(facts: Facts) -> dict[str, msgspec.Raw]:
    """What stays the same from change to change is encoded once, for the client must be faster than the server."""
    fields = msgspec.structs.asdict(facts)
    return {name: msgspec.Raw(msgspec.msgpack.encode(value)) for name, value in fields.items()}


def _redis(url: str) -> socket.socket:
    """A connection to Redis that is logged in. Raises RuntimeError when it refuses."""
    parts = urlsplit(url)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(unquote(parts.path))
    connection.sendall(_command(b"AUTH", unquote(parts.password or "").encode()))
    if connection.recv(ANSWER_BYTES) != b"+OK\r\n":
        raise RuntimeError("Redis refuses our password")
    return connection


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
