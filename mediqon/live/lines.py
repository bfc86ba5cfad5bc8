"""Sockets that nobody waits on: no task, no queue, a few hundred bytes each while they are idle."""

import asyncio
import socket
from collections.abc import Callable, MutableSet
from contextlib import suppress

import msgspec

from mediqon.live.channels import PING, Close, Pong
from mediqon.live.frames import Opcode, Parser, Violation, close_frame, farewell, frame
from mediqon.live.hub import Frame
from mediqon.live.traffic import TRAFFIC

MESSAGE_MAX_BYTES = 4096
MESSAGES_MAX = 200
"""In the PING_EVERY_SECONDS between two pings of ours, control frames included."""
PING_EVERY_SECONDS = 20
SILENT_PINGS = 3
"""So many pings in a row to which nothing came back, and the client is gone: 60 s."""
BEHIND_SECONDS = 10.0
"""A client that takes no byte for so long is too slow and has to connect anew."""
FAREWELL_SECONDS = 1.0
"""For the client's close frame after ours."""
UNSENT_BYTES = 16 * 1024
SLICE_PINGS = 128

KEEPALIVE = frame(Opcode.PING, b"")
# What a blocked line still has to be told, beside the newest frame of each doctor (whose ids are positive).
ANSWER, ECHO, FAREWELL = 0, -1, -2


class Line(asyncio.Protocol):
    """One client's open socket: a Watcher that writes frames straight to the transport.

    Nothing is queued: while bytes are left over in the transport (`pause_writing`) only the newest frame of each doctor
    is kept. Until it is attached to a transport a line is just as blocked.
    """

    __slots__ = (
        *("_closing", "_connections", "_leave", "_lines", "_parser", "_transport", "_waiting"),
        *("messages", "silent", "spoke"),
    )

    def __init__(self, lines: "Lines") -> None:
        self._lines = lines
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, bytes] | None = {}
        self._parser: Parser | None = None
        self._closing = False
        self.silent = self.messages = self.spoke = 0

    def attach(
        self, transport: asyncio.Transport, connections: MutableSet[asyncio.BaseProtocol], leave: Callable[[], None]
    ) -> None:
        """Takes the socket over and sends what has come up so far; `leave()` is called once when it is lost.

        `connections` is the server's set of what to `shutdown()`.
        """
        self._transport, self._connections, self._leave = transport, connections, leave
        connections.add(self)
        transport.set_protocol(self)
        _keep_little(transport)
        self._lines.join(self)
        if self._closing:
            self._part()
        self.resume_writing()
        transport.resume_reading()

    def deliver(self, doctor_id: int, frame: Frame) -> None:
        """Sends the newest state of a doctor's day, now or as soon as the client takes it."""
        if self._waiting is None:
            assert self._transport is not None
            self._transport.write(frame.wire)
        else:
            TRAFFIC.frames_skipped += doctor_id in self._waiting
            self._waiting[doctor_id] = frame.wire

    def close(self, code: int, reason: str = "") -> None:
        """Says why, waits a moment for the client's farewell, and hangs up."""
        if self._closing:
            return
        self._tell(FAREWELL, close_frame(code, reason))
        self._closing = True
        if self._transport is not None:
            self._part()

    def shutdown(self) -> None:
        """The server restarts."""
        self.close(Close.RESTART)

    def ping(self) -> None:
        """Asks whether anybody is there. A client that has not answered SILENT_PINGS in a row is dropped."""
        if self.silent >= SILENT_PINGS:
            self.abort()
            return
        self.silent += 1
        self.messages = 0
        if self._waiting is None and self._transport is not None:
            self._transport.write(KEEPALIVE)

    def abort(self) -> None:
        """Hangs up at once, whatever is still to be sent."""
        if self._transport is not None:
            self._waiting, self._closing = {}, True
            self._transport.abort()

    def _tell(self, slot: int, wire: bytes) -> None:
        if self._waiting is None:
            assert self._transport is not None
            self._transport.write(wire)
        else:
            self._waiting[slot] = wire

    def _part(self) -> None:
        """Nothing may follow a close frame."""
        assert self._transport is not None
        if self._waiting is None:
            self._waiting = {}
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._transport.abort)

    def pause_writing(self) -> None:
        if self._waiting is None:
            self._waiting = {}
        self._lines.blocked[self] = asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        self._lines.blocked.pop(self, None)
        waiting = self._waiting or {}
        if self._closing:
            self._waiting = None
            if FAREWELL in waiting:
                self._tell(FAREWELL, waiting[FAREWELL])
            self._waiting = {}
            return
        self._waiting = None
        for slot, wire in waiting.items():
            self._tell(slot, wire)

    def data_received(self, data: bytes) -> None:
        self.silent = 0
        parser = self._parser or Parser(MESSAGE_MAX_BYTES)
        try:
            for opcode, payload in parser.feed(data):
                self._hear(opcode, payload)
        except Violation as violation:
            self._parser = None
            self.close(violation.code)
        else:
            self._parser = None if parser.idle else parser

    def _hear(self, opcode: Opcode, payload: bytes) -> None:
        self.messages += 1
        if opcode is Opcode.CLOSE:
            self._say_goodbye(payload)
        elif self._closing:
            return
        elif self.messages > MESSAGES_MAX:
            self.close(Close.TOO_MANY, "too many messages")
        elif opcode is Opcode.PING:
            self._tell(ECHO, frame(Opcode.PONG, payload))
        elif opcode is Opcode.TEXT and payload == PING.encode():
            self._tell(ANSWER, self._lines.pong())

    def _say_goodbye(self, payload: bytes) -> None:
        assert self._transport is not None
        answer = farewell(payload)
        if not self._closing:
            self._tell(FAREWELL, answer)
            self._closing = True
            self._part()
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting, self._closing = {}, True
        self._lines.part(self)
        self._connections.discard(self)
        self._leave()
        del self._leave


class Lines:
    """Every line of a process: pings them in turns, and hangs up on who does not answer or does not read."""

    def __init__(self, age: Callable[[], float]) -> None:
        """`age`: see Pong."""
        self.blocked: dict[Line, float] = {}
        self._age = age
        self._wheel: list[set[Line]] = [set() for _ in range(PING_EVERY_SECONDS)]
        self._spoke = 0

    def __len__(self) -> int:
        return sum(map(len, self._wheel))

    def join(self, line: Line) -> None:
        line.spoke = self._spoke
        self._wheel[line.spoke].add(line)

    def part(self, line: Line) -> None:
        self._wheel[line.spoke].discard(line)
        self.blocked.pop(line, None)

    def pong(self) -> bytes:
        """What a client's `ping` is answered with, as a frame."""
        return frame(Opcode.TEXT, pong(self._age()))

    async def turn(self) -> None:
        """The work of one second: a twentieth of all lines is pinged, so that each is every PING_EVERY_SECONDS."""
        self._cut_off()
        self._spoke = (self._spoke + 1) % PING_EVERY_SECONDS
        for number, line in enumerate(tuple(self._wheel[self._spoke]), 1):
            line.ping()
            if number % SLICE_PINGS == 0:
                await asyncio.sleep(0)

    def _cut_off(self) -> None:
        since = asyncio.get_running_loop().time() - BEHIND_SECONDS
        for line in [line for line, blocked_at in self.blocked.items() if blocked_at < since]:
            line.close(Close.TOO_SLOW)
            line.abort()


def pong(age: float) -> bytes:
    """What a client's `ping` is answered with."""
    return msgspec.json.encode(Pong(age))


def _keep_little(transport: asyncio.Transport) -> None:
    """Makes `pause_writing` mean that bytes are left over, and keeps the kernel from hoarding frames that grow old.

    High is 1, not 0: TLS calls an empty buffer full where it reaches the mark, and would never resume.
    """
    transport.set_write_buffer_limits(high=1, low=0)
    plain = transport.get_extra_info("socket")
    if plain is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):  # a unix socket
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
