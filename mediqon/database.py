"""PostgreSQL: the pool, named statements, migrations."""

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
LOCK_MS = 4_000
IDLE_TRANSACTION_MS = 15_000
MIGRATION_LOCK = 0x4D45_4451  # "MEDQ"
MIGRATION_LOCK_MS = 2_000
MIGRATION_ATTEMPTS = 15
MIGRATION_PAUSE_SECONDS = 1.0

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
        init=teach_json,
        reset=_keep,
        server_settings={
            "application_name": "mediqon",
            "timezone": "UTC",
            "lock_timeout": str(LOCK_MS),
            "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_MS),
        },
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


async def migrate(settings: Settings) -> list[str]:
    """Brings the schema up to date, one transaction a file; returns the names of the files applied.

    Whoever serves meanwhile is not held up for longer than MIGRATION_LOCK_MS: a change that cannot have its lock by
    then lets go, and tries again. Raises LockNotAvailableError after MIGRATION_ATTEMPTS.
    """
    applied: list[str] = []
    async with connection(settings) as conn:
        await conn.execute(f"set lock_timeout = {MIGRATION_LOCK_MS}")
        for attempt in range(1, MIGRATION_ATTEMPTS + 1):
            try:
                await _apply_missing(conn, applied)
                break
            except asyncpg.LockNotAvailableError:
                if attempt == MIGRATION_ATTEMPTS:
                    raise
                await asyncio.sleep(MIGRATION_PAUSE_SECONDS)
    return applied


async def pending_migrations(conn: "Connection") -> tuple[list[str], list[str]]:
    """Those this version brings and the database lacks, and those the database has from a newer version."""
    done: set[str] = set()
    if await conn.fetchval("select to_regclass('migrations') is not null"):
        done = {row["name"] for row in await conn.fetch("select name from migrations")}
    known = migration_names()
    return [name for name in known if name not in done], sorted(done - {*known})


async def _apply_missing(conn: "Connection", applied: list[str]) -> None:
    """Adds what it applies to `applied`."""
    await conn.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
    await conn.execute(
        "create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())"
    )
    missing, _ = await pending_migrations(conn)
    for path in _migrations():
        if path.stem in missing:
            async with conn.transaction():
                await conn.execute(path.read_text())
                await conn.execute("insert into migrations (name) values ($1)", path.stem)
            applied.append(path.stem)


def migration_names() -> list[str]:
    """Every migration that this version brings, in order."""
    return [path.stem for path in _migrations()]


def _migrations() -> list[Path]:
    return sorted((sql_folder() / "migrations").glob("*.sql"))
