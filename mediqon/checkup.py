"""`mediqon check`: what is configured, what answers, and what an administrator should do about the rest."""

import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import rich_click as click

from mediqon import database, migrations, terminal
from mediqon.database import Connection
from mediqon.redis_hosts import each_host
from mediqon.settings import JWT_SECRET_MIN_BYTES, Settings

Findings = dict[str, str]
"""Part → `ok …`, or what is wrong and what to do."""

POSTGRES_OLDEST = 14
REDIS_OLDEST = (6, 2)
CLUSTER_OLDEST = (7, 0)
"""Sharded pub/sub."""
CLOCK_SECONDS = 2.0
FREE_BYTES = 1_000_000_000
DIFFERENT_CHARACTERS = 10


@click.command()
@terminal.as_json
def check(json_output: bool) -> None:
    """Say what is configured, what answers, and what to do about the rest. Exits 0 when everything is ok."""
    findings = terminal.run(_check(terminal.settings()))
    if json_output:
        click.echo(json.dumps(findings))
    else:
        for part, finding in findings.items():
            click.echo(f"{part:12}{finding}")
    sys.exit(0 if all(finding.startswith("ok") for finding in findings.values()) else 1)


async def _check(settings: Settings) -> Findings:
    from mediqon import embedded

    postgres = f"at {settings.db_host}:{settings.db_port}" if settings.db_host else "embedded"
    redis = "at REDIS_URL" if settings.redis_url else "embedded"
    async with embedded.servers(settings, say=terminal.say) as filled:
        found = await postgres_findings(filled)
        found["PostgreSQL"] += f" ({postgres})"
        found["Redis"] = f"{await redis_finding(filled)} ({redis})"
        found["Secret"] = secret_finding(filled.jwt_secret, made=not settings.jwt_secret)
    if not (settings.db_host and settings.redis_url):
        found["Disk"] = disk_finding(settings.data_dir, shutil.disk_usage(settings.data_dir).free)
        found["Data"] = directory_finding(settings.data_dir)
    return found


async def postgres_findings(settings: Settings) -> Findings:
    """Whether it answers and, if so, its version, our tables, its connections and its clock."""
    try:
        async with database.connection(settings) as conn:
            return {
                "PostgreSQL": postgres_version(await conn.fetchval("show server_version")),
                "Tables": await _tables(conn),
                "Pool": await _pool(conn, settings.db_pool),
                "Clock": clock_finding(await _clock_ahead(conn)),
            }
    except (*database.LOST, asyncpg.PostgresError) as error:
        return {"PostgreSQL": f"away: {error}. Bookings are refused with 503 until it is back. See DB_HOST, DB_PORT"}


def postgres_version(told: str) -> str:
    """`told` is like "18.1 (Debian 18.1-1)"."""
    if int(told.split(".")[0].split(" ")[0]) < POSTGRES_OLDEST:
        return (
            f"too old: {told}. Upgrade it to {POSTGRES_OLDEST} or later; `mediqon backup` and `restore` carry the data"
        )
    return f"ok, {told.split(' ')[0]}"


async def _tables(conn: Connection) -> str:
    missing, unknown = await migrations.pending(conn)
    return tables_finding(missing, unknown)


def tables_finding(missing: list[str], unknown: list[str]) -> str:
    """What the database lacks, or has from a newer version."""
    if unknown:
        return f"newer than this Mediqon ({', '.join(unknown)}): install the version that was here before"
    if missing:
        return f"not up to date ({', '.join(missing)}): run `mediqon migrate`, or start the server, which does it"
    return "ok, up to date"


async def _pool(conn: Connection, ours: int) -> str:
    most = int(await conn.fetchval("show max_connections"))
    reserved = int(await conn.fetchval("show superuser_reserved_connections"))
    used = await conn.fetchval("select count(*) from pg_stat_activity where backend_type = 'client backend'")
    return pool_finding(most - reserved - used, ours)


def pool_finding(free: int, ours: int) -> str:
    """How many more connections PostgreSQL would take, against those of one server process."""
    if free < ours:
        return (
            f"only {free} connections of PostgreSQL are free, and each server process wants up to {ours}: raise its "
            "max_connections, or lower MEDIQON_DB_POOL"
        )
    return f"ok, {free} connections are free, up to {ours} for each server process"


async def _clock_ahead(conn: Connection) -> float:
    asked = time.time()
    theirs = float(await conn.fetchval("select extract(epoch from clock_timestamp())"))
    return theirs - (asked + time.time()) / 2


def clock_finding(ahead_seconds: float) -> str:
    """How far PostgreSQL's clock is ahead of ours."""
    if abs(ahead_seconds) > CLOCK_SECONDS:
        return (
            f"PostgreSQL's is {abs(ahead_seconds):.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} ours: "
            "log-ins and expected times go wrong. Let both follow a time server (timedatectl set-ntp true)"
        )
    return "ok, the same as PostgreSQL's"


async def redis_finding(settings: Settings) -> str:
    """Whether it answers, and its version; of several hosts, what the first says that is not well."""
    hosts = each_host(settings.redis_url)
    findings = [await _host_finding(host, in_cluster=len(hosts) > 1) for host in hosts]
    return next((finding for finding in findings if not finding.startswith("ok")), findings[0])


async def _host_finding(url: str, *, in_cluster: bool) -> str:
    from redis.asyncio import Redis

    from mediqon.live.bus import CONNECT_SECONDS, LOST

    redis = Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
    try:
        told: Any = await redis.info("server")
    except LOST as error:
        return f"away: {error}. Screens are up to 2 s late until it is back. See REDIS_URL"
    finally:
        await redis.aclose()
    if in_cluster is not (told.get("redis_mode", told.get("server_mode")) == "cluster"):
        return cluster_finding(in_cluster=in_cluster)
    return redis_version(str(told["redis_version"]), str(told.get("valkey_version", "")), in_cluster=in_cluster)


def cluster_finding(*, in_cluster: bool) -> str:
    """What to do when REDIS_URL and the server are of different minds."""
    if in_cluster:
        return "no Redis Cluster, and REDIS_URL names several hosts: name one of them only"
    return "a host of a Redis Cluster: name several of them in REDIS_URL, redis://one:6379,two:6379"


def redis_version(redis: str, valkey: str, *, in_cluster: bool = False) -> str:
    """Valkey tells both: which Redis it is like, and its own."""
    oldest = CLUSTER_OLDEST if in_cluster else REDIS_OLDEST
    if tuple(int(number) for number in redis.split(".")[:2]) < oldest:
        return f"too old: {redis}. Upgrade it to {'.'.join(map(str, oldest))} or later, or take Valkey"
    return f"ok, Valkey {valkey}" if valkey else f"ok, {redis}"


def secret_finding(secret: str, *, made: bool) -> str:
    """Whether it can be guessed. Shorter ones than JWT_SECRET_MIN_BYTES were refused before."""
    if len(set(secret)) < DIFFERENT_CHARACTERS:
        return (
            'easy to guess: put a new JWT_SECRET in place, from python3 -c "import secrets; '
            'print(secrets.token_urlsafe(48))"; everybody logs in again'
        )
    assert len(secret.encode()) >= JWT_SECRET_MIN_BYTES
    return f"ok, {len(secret.encode())} bytes{', made by Mediqon' if made else ''}"


def disk_finding(data_dir: Path, free_bytes: int) -> str:
    """Whether the database still has room to grow."""
    if free_bytes < FREE_BYTES:
        return (
            f"only {free_bytes / 1e6:.0f} MB are free where {data_dir} lies; PostgreSQL stops when it is full. Delete "
            "something else, or move MEDIQON_DATA_DIR to a larger disk while the server is stopped"
        )
    return f"ok, {free_bytes / 1e9:.0f} GB free"


def directory_finding(data_dir: Path) -> str:
    """Whether others can read what is in it."""
    for path, forbidden in ((data_dir, stat.S_IRWXG | stat.S_IROTH | stat.S_IWOTH), (data_dir / "secrets.json", 0o077)):
        status = path.stat()
        if status.st_uid != os.geteuid():
            return f"{path} belongs to another user: run Mediqon as the owner, or chown it"
        if status.st_mode & forbidden:
            return f"{path} is open to others: chmod {'700' if path is data_dir else '600'} {path}"
    return f"ok, {data_dir} is closed to others"
