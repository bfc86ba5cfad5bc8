"""Screens by the thousand: raw sockets in one epoll loop, which knows a frame that it has seen before by its bytes."""

import os
import re
import select
import socket
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from mediqon.bench import wire
from mediqon.bench.callers import Probe
from mediqon.bench.wire import Address

READ_BYTES = 65_536
BATCH = 64  # between two looks at the probe
AT_ONCE = 200  # connections that may wait for their first frame
CONNECT_S = 90.0
LOST_S, SLOWEST_PER_S = 2.0, 2000  # a change that takes longer than 2 s and so many screens a second is given up
WAIT_S = 0.001
NOBODY = -1
VERSION = re.compile(rb'"version":\s*(\d+)')


class Publisher(Protocol):
    """What makes a doctor's day change."""

    @property
    def idle(self) -> bool:
        """Whether it can take one more change."""
        ...

    def fds(self) -> list[int]: ...
    def publish(self, day: int) -> None: ...
    def heed(self, fd: int) -> None: ...


class Fanned(msgspec.Struct, kw_only=True):
    """What arrived: `updates` are changes that every screen has; `missed` are deliveries that did not come in time."""

    seconds: float = 0.0
    updates: int = 0
    deliveries: int = 0
    expected: int = 0
    missed: int = 0
    others: int = 0
    last_screen: list[float] = msgspec.field(default_factory=list[float])


class Screens:
    """Websockets on these paths, one day each, in turn."""

    def __init__(self, address: Address, paths: Sequence[str]) -> None:
        self._address, self._paths = address, paths
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._day: list[int] = []  # by file descriptor
        self._seen: list[int] = []  # by file descriptor: the round of its last frame
        self._rest: dict[int, bytes] = {}
        self._opening: set[int] = set()
        self._screens = [0] * len(paths)
        self._version = [0] * len(paths)  # the newest seen
        self._base = [0] * len(paths)  # what all screens of the day have
        self._newest = [b""] * len(paths)  # the frame of the change under way
        self._due = [0] * len(paths)  # screens that still lack it
        self._round = [0] * len(paths)
        self._rounds = 0
        self._begun: dict[int, float] = {}  # when each change under way was published
        self._sent_away: list[int] = []  # days of screens that were closed before their first frame
        self.turned_away = 0
        self.lost = 0
        self.frame_bytes = 0
        self.result = Fanned()

    def connect(self, count: int) -> None:
        """Opens so many and waits for each one's first frame; who is turned away comes again. Raises RuntimeError."""
        deadline = time.perf_counter() + CONNECT_S
        days = [number % len(self._paths) for number in reversed(range(count))]
        while days or self._opening or self._sent_away:
            days += self._sent_away
            self._sent_away.clear()
            if days and len(self._opening) < AT_ONCE:
                self._open(days.pop())
            else:
                self._turn()
            if time.perf_counter() > deadline:
                opened = len(self._sockets) - len(self._opening)
                raise RuntimeError(f"{opened} of {count} screens opened within {CONNECT_S:g} s")
        self._base = list(self._version)

    def _open(self, day: int) -> None:
        connection = wire.dial(self._address)
        connection.sendall(wire.upgrade(self._paths[day]))
        connection.setblocking(False)
        fd = connection.fileno()
        missing = fd + 1 - len(self._day)
        self._day += [NOBODY] * missing
        self._seen += [0] * missing
        self._day[fd], self._seen[fd] = day, 0
        self._sockets[fd] = connection
        self._opening.add(fd)
        self._screens[day] += 1
        self._epoll.register(fd, select.EPOLLIN)

    def run(
        self, publisher: Publisher, window: int, seconds: float, probe: Probe | None = None, pause: float = 0
    ) -> Fanned:
        """Publishes the next when all have the last, `window` days at a time, each `pause` seconds after the last."""
        self.result = result = Fanned()
        for fd in publisher.fds():
            self._epoll.register(fd, select.EPOLLIN)
        begun = time.perf_counter()
        end, day, due_at = begun + seconds, 0, begun
        while (now := time.perf_counter()) < end or self._begun:
            self._give_up(now)
            while now < end and now >= due_at and len(self._begun) < window and publisher.idle:
                while day in self._begun:
                    day = (day + 1) % len(self._paths)
                self._publish(publisher, day)
                day, due_at = (day + 1) % len(self._paths), now + pause
            self._turn(publisher)
            if probe is not None:
                probe.turn()
        result.seconds = now - begun
        for fd in publisher.fds():
            self._epoll.unregister(fd)
        return result

    def _give_up(self, now: float) -> None:
        """On the oldest change under way, when it has taken too long."""
        day, begun = next(iter(self._begun.items()), (NOBODY, now))
        if day != NOBODY and now - begun > LOST_S + self._screens[day] / SLOWEST_PER_S:
            del self._begun[day]
            self.result.missed += self._due[day]
            self._newest[day] = b""

    def _publish(self, publisher: Publisher, day: int) -> None:
        self._rounds += 1
        self._round[day], self._newest[day], self._due[day] = self._rounds, b"", self._screens[day]
        self.result.expected += self._screens[day]
        self._begun[day] = time.perf_counter()
        publisher.publish(day)

    def _turn(self, publisher: Publisher | None = None) -> None:
        """Reads what has come, a batch of it."""
        days = self._day
        for fd, _ in self._epoll.poll(WAIT_S, BATCH):
            if fd < len(days) and (day := days[fd]) != NOBODY:
                self._read(fd, day)
            elif publisher is not None:
                publisher.heed(fd)

    def _read(self, fd: int, day: int) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except OSError:
            data = b""
        if data and data == self._newest[day]:
            self._count(fd, day)
        elif data:
            self._read_slowly(fd, day, self._rest.pop(fd, b"") + data)
        else:
            self._lose(fd, day)

    def _read_slowly(self, fd: int, day: int, data: bytes) -> None:
        """Takes apart what is not byte for byte the frame that others have had."""
        if fd in self._opening and data.startswith(b"HTTP/"):
            head, found, data_after = data.partition(b"\r\n\r\n")
            if not found:
                self._rest[fd] = data
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._lose(fd, day)
                return
            data = data_after
        taken = 0
        for frame in wire.frames(data):
            taken = frame.stop
            if frame.opcode == wire.TEXT:
                self._take(fd, day, data[frame.start : frame.stop])
            elif frame.opcode == wire.PING:
                os.write(fd, wire.pong(data[frame.body : frame.stop]))
            elif frame.opcode == wire.CLOSE:
                self._lose(fd, day)
                return
        if taken < len(data):
            self._rest[fd] = data[taken:]

    def _take(self, fd: int, day: int, frame: bytes) -> None:
        self._opening.discard(fd)
        found = VERSION.search(frame)
        version = int(found[1]) if found else 0
        self._version[day] = max(version, self._version[day])
        self.frame_bytes = len(frame)
        if day in self._begun and version > self._base[day]:
            self._newest[day] = self._newest[day] or frame
            self._count(fd, day)
        else:
            self.result.others += 1

    def _count(self, fd: int, day: int) -> None:
        if self._seen[fd] == self._round[day]:
            self.result.others += 1
            return
        self._seen[fd] = self._round[day]
        self.result.deliveries += 1
        self._due[day] -= 1
        if not self._due[day]:
            self._complete(day)

    def _complete(self, day: int) -> None:
        self.result.updates += 1
        self.result.last_screen.append(time.perf_counter() - self._begun.pop(day))
        self._base[day] = self._version[day]
        self._newest[day] = b""

    def _lose(self, fd: int, day: int) -> None:
        """The server closed it: nobody waits for it any more, and the figure says so."""
        self._epoll.unregister(fd)
        self._sockets.pop(fd).close()
        self._day[fd] = NOBODY
        self._screens[day] -= 1
        if fd in self._opening:
            self._opening.discard(fd)
            self._sent_away.append(day)
            self.turned_away += 1
            return
        self.lost += 1
        if day in self._begun and self._seen[fd] != self._round[day]:
            self._due[day] -= 1
            self.result.missed += 1
            if not self._due[day]:
                self._complete(day)

    def close(self) -> None:
        for connection in self._sockets.values():
            connection.close()
        self._epoll.close()
