"""People who ask over HTTP, one request after the other on a connection that stays: closed loop, one thread."""

import os
import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from socket import socket

import msgspec

from mediqon.bench.wire import Address, Answer, answer, dial

READ_BYTES = 262_144
DRAIN_S = 10.0
BATCH = 256
WAIT_S = 0.001
THINK_S = 0.002

Ask = Callable[[int], bytes | None]
"""What the connection of that number asks next; None is nothing more."""
Heed = Callable[[int, Answer], None]
"""Told the number of the connection and what it was answered."""


class Tally(msgspec.Struct, kw_only=True):
    """What came of the requests: how many were sent, the status of each answer, and how long each took (seconds)."""

    sent: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = msgspec.field(default_factory=Counter[int])
    took: list[float] = msgspec.field(default_factory=list[float])

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.took) / self.seconds if self.seconds else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """What was sent, and how often each status came back."""
        return {"sent": self.sent} | {str(status): number for status, number in sorted(self.statuses.items())}

    def only(self, *expected: int) -> "Tally":
        """Itself. Raises RuntimeError for any other answer, and when one is missing: the figure would not be true."""
        if set(self.statuses) - set(expected) or self.statuses.total() != self.sent or not self.sent:
            raise RuntimeError(f"{self.sent} requests were answered with {dict(self.statuses)}, not {expected}")
        return self


def quantile(values: list[float], part: float) -> float:
    """In milliseconds, of values in seconds; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] * 1000 if ordered else 0.0


class Line:
    """One kept connection with at most one request under way."""

    def __init__(self, address: Address) -> None:
        self.socket: socket = dial(address)
        self.fd = self.socket.fileno()
        self.asked_at = 0.0
        self._received = b""

    def ask(self, request: bytes) -> None:
        self.asked_at = time.perf_counter()
        self.socket.sendall(request)

    def hear(self) -> Answer | None:
        """What has arrived, once it is complete. Raises ConnectionError when the server hung up."""
        data = os.read(self.fd, READ_BYTES)
        if not data:
            raise ConnectionError("the server closed a kept connection")
        self._received += data
        heard = answer(self._received)
        if heard is not None:
            self._received = b""
        return heard


class Callers:
    """So many connections that ask without a pause."""

    def __init__(self, address: Address, connections: int) -> None:
        self._lines = [Line(address) for _ in range(connections)]

    def run(self, ask: Ask, seconds: float, heed: Heed | None = None, probe: "Probe | None" = None) -> Tally:
        """Asks for so many seconds, then waits for the last answers."""
        tally, epoll = Tally(), select.epoll()
        numbers = {line.fd: number for number, line in enumerate(self._lines)}
        begun = time.perf_counter()
        end = begun + seconds
        for number, line in enumerate(self._lines):
            epoll.register(line.fd, select.EPOLLIN)
            self._next(tally, line, ask(number))
        while len(tally.took) < tally.sent and time.perf_counter() < end + DRAIN_S:
            for fd, _ in epoll.poll(WAIT_S, BATCH):
                number = numbers[fd]
                line = self._lines[number]
                heard = line.hear()
                if heard is None:
                    continue
                now = time.perf_counter()
                tally.took.append(now - line.asked_at)
                tally.statuses[heard.status] += 1
                tally.seconds = now - begun
                if heed is not None:
                    heed(number, heard)
                if now < end:
                    self._next(tally, line, ask(number))
            if probe is not None:
                probe.turn()
        epoll.close()
        return tally

    @staticmethod
    def _next(tally: Tally, line: Line, request: bytes | None) -> None:
        if request is not None:
            line.ask(request)
            tally.sent += 1

    def close(self) -> None:
        for line in self._lines:
            line.socket.close()


def asked(address: Address, connections: int, requests: Iterator[bytes], seconds: float) -> Tally:
    """Sends these requests over so many connections, each when the one before it is answered."""
    callers = Callers(address, connections)
    try:
        return callers.run(lambda _: next(requests, None), seconds)
    finally:
        callers.close()


class Probe:
    """One more client, who asks the same again and again with a moment between: how long others have to wait."""

    def __init__(self, address: Address, requests: list[bytes]) -> None:
        self.took: list[float] = []
        self._line = Line(address)
        self._line.socket.setblocking(False)
        self._requests = cycle(requests)
        self._waiting = False
        self._next_at = 0.0

    def turn(self) -> None:
        """To be called often; never waits."""
        now = time.perf_counter()
        if not self._waiting and now >= self._next_at:
            self._line.ask(next(self._requests))
            self._waiting = True
        elif self._waiting:
            try:
                heard = self._line.hear()
            except BlockingIOError:
                return
            if heard is not None:
                self.took.append(time.perf_counter() - self._line.asked_at)
                self._waiting, self._next_at = False, time.perf_counter() + THINK_S

    def alone(self, seconds: float) -> list[float]:
        """How long the answers take while this benchmark does nothing else."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.turn()
            time.sleep(WAIT_S / 10)
        return self.taken()

    def taken(self) -> list[float]:
        """How long the answers took since this was last asked."""
        took, self.took = self.took, []
        return took

    def close(self) -> None:
        self._line.socket.close()
