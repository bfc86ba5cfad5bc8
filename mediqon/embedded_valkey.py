"""The embedded Redis: Valkey as our child, holding nothing that must survive it."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from mediqon.children import Account, Program, until
from mediqon.data_directory import DataDirectory, write_private

SOCKET = "valkey.sock"
ANSWER_LIMIT_S = 2.0
READY_LIMIT_S = 20.0
PUBSUB_BACKLOG = "16mb 4mb 30"  # a subscriber that lags this far is cut off, and starts over from PostgreSQL


def url(sockets: Path, password: str) -> str:
    """Where redis-py finds it."""
    return f"unix://:{password}@{quote(str(sockets / SOCKET))}?db=0"


def program(binary: Path, directory: DataDirectory, sockets: Path, password: str, account: Account | None) -> Program:
    """The server. Writes its configuration: a password on the command line would be everybody's."""
    write_private(directory.valkey_conf, _configuration(sockets, password).encode(), account)

    return Program(
        name="Valkey",
        command=(str(binary), str(directory.valkey_conf)),
        environment={"LC_ALL": "C", "TZ": "UTC"},
        farewell=(),
        when_orphaned=signal.SIGKILL,
        ready=lambda _tether: until(lambda: answers(sockets, password)),
        patience_s=READY_LIMIT_S,
        account=account,
        log=directory.logs / "valkey.log",
    )


async def answers(sockets: Path, password: str) -> bool:
    """Whether it takes our password and commands."""
    with suppress(OSError):
        return b"+PONG" in await _ask(sockets, password, "PING")
    return False


async def end_leftover(sockets: Path, password: str) -> None:
    """Ends the server of a parent that died without a farewell: only ours listens there and knows the password."""
    with suppress(OSError):
        await _ask(sockets, password, "SHUTDOWN NOSAVE")


def _configuration(sockets: Path, password: str) -> str:
    return "\n".join(
        [
            "port 0",
            f"unixsocket {_quoted(sockets / SOCKET)}",
            "unixsocketperm 700",
            f"requirepass {password}",
            f"dir {_quoted(sockets)}",
            'save ""',
            "appendonly no",
            "daemonize no",
            f"client-output-buffer-limit pubsub {PUBSUB_BACKLOG}",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


async def _ask(sockets: Path, password: str, command: str) -> bytes:
    """Everything it answers until it closes the connection. Raises OSError (also TimeoutError) when it does not."""
    async with asyncio.timeout(ANSWER_LIMIT_S):
        reader, writer = await asyncio.open_unix_connection(str(sockets / SOCKET))
        try:
            writer.write(f"AUTH {password}\r\n{command}\r\nQUIT\r\n".encode())
            return await reader.read()
        finally:
            writer.close()
