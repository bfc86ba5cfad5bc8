"""PostgreSQL: the pool, and named statements."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import msgspec
from asyncpg.connect_utils import SessionAttribute
from asyncpg.pool import PoolConnectionProxy

from mediqon import metrics
from mediqon.settings import Settings

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection | PoolConnectionProxy

CONNECT_SECONDS = 5
ACQUIRE_SECONDS = 2
COMMAND_SECONDS = 5
CANCEL_SECONDS = 0.25
"""What a server is given to take back a command that it was not done with in time, before it is hung up on."""
SESSION = {
    "application_name": "mediqon",
    "timezone": "UTC",
    "lock_timeout": "4s",
    "idle_in_transaction_session_timeout": "15s",
    "plan_cache_mode": "force_generic_plan",  # planning anew for each list of keys took longer than finding their rows
    "random_page_cost": "1.1",  # what is asked for is in memory or on an SSD: rows are found by an index
}
"""What every connection of a pool asks of its server."""

LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What asyncpg raises while PostgreSQL is away, starting, stopping, read-only or overwhelmed: answered with 503."""


def sql_folder() -> Path:
    """The `sql/` folder: inside the package when installed, beside it in a checkout."""
    inside = Path(__file__).parent / "sql"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "sql"


class Statements:
    """The named statements of one `sql/queries/<feature>.sql`, as attributes."""

    def __init__(self, feature: str) -> None:
        self._texts = _parse((sql_folder() / "queries" / f"{feature}.sql").read_text())

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"no statement is named {name!r}") from None

    def items(self) -> Mapping[str, str]:
        """Every statement by its name."""
        return self._texts


def _parse(text: str) -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@cache
def statements(feature: str) -> Statements:
    return Statements(feature)


async def teach_json(connection: "Connection") -> None:
    """Values of type jsonb come and go as what they say."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda data: msgspec.json.decode(data[1:]),
        format="binary",
    )


class _Primary:
    """The server that a pool writes to, known by its timeline.

    A replica that has taken the place of its primary may lack the last that this had acknowledged, unless replication
    is synchronous, and counts the same versions again. So before anything is written there the days go on from versions
    that nobody has seen, and every process reads them anew. Some hosted databases do not tell their timeline.
    """

    def __init__(self) -> None:
        self._timeline: str | None = None

    async def meet(self, conn: "Connection") -> None:
        """Makes a new connection ready."""
        await teach_json(conn)
        sql, timeline = statements("backup"), None
        with suppress(asyncpg.FeatureNotSupportedError, asyncpg.InsufficientPrivilegeError):
            timeline = await conn.fetchval(sql.timeline)
        if timeline in {None, self._timeline}:
            return
        with suppress(asyncpg.ReadOnlySQLTransactionError):  # the next connection tries again
            async with conn.transaction():
                if await conn.fetchval(sql.note_timeline, timeline):
                    await conn.execute(sql.move_on)
                    await conn.execute(sql.open_days)
            self._timeline = timeline


async def _keep(_connection: "Connection") -> None:
    """No reset when a connection comes back: nothing here keeps session state, and a reset costs a round trip."""


async def _connect(_dsn: None = None, *, host: Sequence[str], **asked: Any) -> Any:
    """To the only host; of several to the first that takes writes. All are asked at once: one may never answer.

    Raises what the last of them answered.
    """
    if len(host) == 1:
        return await asyncpg.connect(host=host[0], **asked)
    asked["target_session_attrs"] = SessionAttribute.read_write
    asking = [asyncio.ensure_future(asyncpg.connect(host=each, **asked)) for each in host]
    chosen = refusal = None
    try:
        for answer in asyncio.as_completed(asking):
            try:
                chosen = await answer
            except (*LOST, asyncpg.PostgresError) as error:
                refusal = error
            else:
                return chosen
        assert refusal is not None
        raise refusal
    finally:
        await _let_go(asking, chosen)


async def _let_go(asking: Sequence[asyncio.Future[Any]], chosen: object) -> None:
    """Ends all but the chosen connection, also those that were made just now."""
    for task in asking:
        task.cancel()
    for made in await asyncio.gather(*asking, return_exceptions=True):
        if made is not chosen and not isinstance(made, BaseException):
            made.terminate()


class _Pooled(asyncpg.Connection):
    """One whose end is no news where the server no longer answers a farewell: it is cut off then."""

    async def close(self, **asked: Any) -> None:
        with suppress(TimeoutError):
            await super().close(**asked)


def open_pool(settings: Settings) -> "Pool":
    """A pool of up to `settings.db_pool` connections. Entering it raises one of LOST if PostgreSQL is away."""
    return asyncpg.create_pool(
        host=settings.db_hosts,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password or None,
        database=settings.db_name,
        min_size=1,
        max_size=settings.db_pool,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        connect=cast("Any", _connect),
        connection_class=_Pooled,
        init=_Primary().meet,
        reset=_keep,
        server_settings=SESSION,
    )


@asynccontextmanager
async def reading(pool: "Pool") -> AsyncGenerator["Connection"]:
    """A connection of the pool, waited for within limits. Raises one of LOST.

    A server that is frozen, or that another has taken the place of, answers on no connection: once it fails to answer
    on one the others are given up too, or each would cost somebody COMMAND_SECONDS.
    """
    asked = time.perf_counter()
    try:
        conn = await pool.acquire(timeout=ACQUIRE_SECONDS)
    except LOST:
        metrics.POOL_FAILURES.inc()
        raise
    metrics.POOL_WAITS.observe(time.perf_counter() - asked)
    patience = None
    try:
        yield conn
    except TimeoutError:
        patience = CANCEL_SECONDS
        await pool.expire_connections()
        raise
    finally:
        await pool.release(conn, timeout=patience)


@asynccontextmanager
async def transaction(pool: "Pool") -> AsyncGenerator["Connection"]:
    """The same with a transaction around what is done: committed at the end, rolled back on any error."""
    async with reading(pool) as conn, begun(conn):
        yield conn


@asynccontextmanager
async def snapshot(pool: "Pool") -> AsyncGenerator["Connection"]:
    """A connection to which everything looks as it was at one instant, whatever is committed meanwhile."""
    async with reading(pool) as conn, begun(conn, isolation="repeatable_read", readonly=True):
        yield conn


@asynccontextmanager
async def begun(conn: "Connection", **kind: Any) -> AsyncGenerator[None]:
    """A transaction on a connection of `reading`, which gives a connection up that does not answer in time: who frozen
    is would not answer a rollback either."""
    with metrics.counted_when_done():
        transaction = conn.transaction(**kind)
        await transaction.start()
        try:
            yield
        except TimeoutError:
            raise
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()


@asynccontextmanager
async def connection(settings: Settings) -> AsyncGenerator["Connection"]:
    """One connection outside any pool. Raises one of LOST, or InvalidCatalogNameError without such a database."""
    connected = cast(
        "Connection",
        await _connect(
            host=settings.db_hosts,
            port=settings.db_port,
            user=settings.db_user,
            password=settings.db_password or None,
            database=settings.db_name,
            timeout=CONNECT_SECONDS,
        ),
    )
    try:
        yield connected
    finally:
        await connected.close()
