"""The bytes of a websocket (RFC 6455): frames for a client, and what a client sends, taken apart. Touches nothing."""

import codecs
from collections.abc import Iterator
from enum import IntEnum

FIN = 0x80
MASKED = 0x80
RESERVED = 0x70
CONTROL = 0x8
CONTROL_MAX_BYTES = 125
LENGTH_2_BYTES, LENGTH_8_BYTES = 126, 127
KEY_BYTES = 4
FRAGMENTS_MAX = 128
"""Of one message; empty ones would otherwise go on for ever."""

WRONG_PROTOCOL, NO_UTF8, TOO_BIG = 1002, 1007, 1009
SENDABLE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""The close codes that may stand in a frame (RFC 6455, section 7.4, and the registry it opens)."""


class Opcode(IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


OPCODES = frozenset(Opcode)


class Violation(Exception):
    """The client broke the protocol; `code` is what its socket is closed with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """A whole message for a client, in one frame: never masked, so the same bytes are good for every socket."""
    size = len(payload)
    if size <= CONTROL_MAX_BYTES:
        return bytes((FIN | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((FIN | opcode, LENGTH_2_BYTES)) + size.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, LENGTH_8_BYTES)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A farewell; `reason` may be up to 123 bytes long."""
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode())


def farewell(payload: bytes) -> bytes:
    """The frame that answers a client's close frame. Raises Violation if that was none."""
    if len(payload) == 1:
        raise Violation(WRONG_PROTOCOL)
    if payload and int.from_bytes(payload[:2], "big") not in SENDABLE_CODES:
        raise Violation(WRONG_PROTOCOL)
    _text(payload[2:])
    return frame(Opcode.CLOSE, payload[:2])


class Parser:
    """What one client sends. Bytes go in as they arrive, whole messages come out."""

    __slots__ = ("_buffer", "_decoder", "_fragments", "_kind", "_limit", "_message")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes in one message, all its fragments together."""
        self._limit = limit
        self._buffer = bytearray()
        self._message = bytearray()
        self._kind: Opcode | None = None
        self._fragments = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def idle(self) -> bool:
        """Whether nothing is half received, so that a new parser would do as well."""
        return not self._buffer and self._kind is None

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes]]:
        """The messages that `data` completes, control frames among them. Raises Violation."""
        self._buffer += data
        while (found := self._take_frame()) is not None:
            fin, opcode, payload = found
            if opcode & CONTROL:
                yield opcode, payload
                continue
            self._collect(fin, opcode, payload)
            if fin:
                assert self._kind is not None
                yield self._kind, bytes(self._message)
                self._kind, self._message, self._fragments = None, bytearray(), 0

    def _collect(self, fin: bool, opcode: Opcode, payload: bytes) -> None:
        if (opcode is Opcode.CONTINUATION) is (self._kind is None):
            raise Violation(WRONG_PROTOCOL)
        self._fragments += 1
        if self._fragments > FRAGMENTS_MAX:
            raise Violation(TOO_BIG)
        self._kind = self._kind or opcode
        self._message += payload
        if self._kind is Opcode.TEXT:
            try:
                self._decoder.decode(payload, final=fin)
            except UnicodeDecodeError:
                raise Violation(NO_UTF8) from None

    def _take_frame(self) -> tuple[bool, Opcode, bytes] | None:
        """The next frame, unmasked; None until it is complete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, begins = buffer[1] & ~MASKED, 2
        opcode = _checked(buffer[0], buffer[1], size)
        if size >= LENGTH_2_BYTES:
            begins += 2 if size == LENGTH_2_BYTES else 8
            if len(buffer) < begins:
                return None
            size = int.from_bytes(buffer[2:begins], "big")
        if size + len(self._message) > self._limit and not opcode & CONTROL:
            raise Violation(TOO_BIG)
        key, begins = buffer[begins : begins + KEY_BYTES], begins + KEY_BYTES
        if len(buffer) < begins + size:
            return None
        payload = _unmasked(buffer[begins : begins + size], key)
        fin = bool(buffer[0] & FIN)
        del buffer[: begins + size]
        return fin, opcode, payload


def _checked(first: int, second: int, size: int) -> Opcode:
    opcode = first & 0xF
    if first & RESERVED or not second & MASKED or opcode not in OPCODES:
        raise Violation(WRONG_PROTOCOL)
    if opcode & CONTROL and (size > CONTROL_MAX_BYTES or not first & FIN):
        raise Violation(WRONG_PROTOCOL)
    return Opcode(opcode)


def _unmasked(payload: bytearray, key: bytearray) -> bytes:
    size = len(payload)
    mask = (key * (size // KEY_BYTES + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise Violation(NO_UTF8) from None
