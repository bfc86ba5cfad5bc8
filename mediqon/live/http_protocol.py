"""What uvicorn speaks HTTP with: its own protocol, within bounds, and in front of it the polls of phones."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mediqon.live.reads import PublicReads

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

log = logging.getLogger(__name__)

ASK_SECONDS = 10.0
"""For a whole request: who takes longer never ends it."""
HEAD_MAX_BYTES = 64 * 1024
"""For all of a request that is not its body: the head, the frames of chunks, what trails them. uvicorn keeps it all."""
PIPELINED_MAX = 100
"""So many may wait for the answer to one before them: each takes 40 times the memory of what it was asked with."""
UNREAD_SECONDS = 20.0
"""Who reads nothing of an answer for so long is cut off."""


class TooMany(Exception):
    """Somebody asks on and on, and waits for no answer."""


class Http(HttpToolsProtocol):
    """uvicorn's own, but whatever is begun has to be a request within ASK_SECONDS, the first one too, what is no body
    may have HEAD_MAX_BYTES, PIPELINED_MAX may wait, answers have to be read, and polls are answered as soon as they are
    heard.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    _head_bytes = 0
    """Of the request that is being read."""
    _is_answered = False
    """Whether that is a poll whose answer has been written."""

    def __init__(self, reads: PublicReads, **given: Any) -> None:
        super().__init__(**given)
        self._reads = reads

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        self._begin()  # also for what never becomes a message: uvicorn has stopped its own clock
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_MAX_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED_MAX:
            self.transport.abort()
            raise TooMany  # the parser looks no further
        super().on_message_begin()
        self._begin()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read()

    def on_body(self, body: bytes) -> None:
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        answer = self._poll() if self._may_be_poll() else None
        if answer is None:
            super().on_headers_complete()
        else:
            self._is_answered = True
            self.transport.write(answer)

    def on_message_complete(self) -> None:
        self._asked()
        if self._is_answered:
            self._is_answered = False
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _may_be_poll(self) -> bool:
        """A plain GET whose turn it is, of somebody who reads what is answered and stays."""
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        assert parser is not None
        return (
            parser.get_method() == b"GET"
            and (before is None or before.response_complete)
            and not self.flow.write_paused
            and not parser.should_upgrade()
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
        )

    def _poll(self) -> bytes | None:
        """Where something is wrong with it, the application meets that too, and answers."""
        try:
            return self._reads.answer(self.url, self.headers, self.server_state.default_headers)
        except Exception:
            log.exception("a poll could not be answered at once")
            return None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        super()._start_asgi_task(cycle, app)
        self._running = cycle

    def connection_lost(self, exc: Exception | None) -> None:
        self._asked()
        self._read()
        if self._running is not None:  # uvicorn tells only the latest of pipelined requests
            self._running.disconnected = True
        super().connection_lost(exc)

    def _begin(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(ASK_SECONDS, self.transport.abort)

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _asked(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
