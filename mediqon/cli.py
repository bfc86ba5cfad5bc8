"""The command line: `mediqon serve | demo | migrate | check | create-hospital | import-doctors | bench`.

`check` is in `mediqon.checkup`; `backup`, `restore`, `forget` and `export-day` are in `mediqon.care`.
"""

import json
import logging
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from mediqon import __version__, care, checkup
from mediqon.bench.scale import KINDS, Kind
from mediqon.settings import Settings
from mediqon.terminal import as_json
from mediqon.terminal import run as _run
from mediqon.terminal import say as _say
from mediqon.terminal import settings as _settings

PASSWORD_BYTES = 9


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Mediqon, the real-time queue server of a clinic.

    Start with `mediqon demo` to see it live, or `mediqon serve` and then `mediqon create-hospital`. Settings come from
    the environment and from `.env`; with none at all it brings its own PostgreSQL and Redis.
    """


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: PORT, else 3000]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Server processes.")
def serve(host: str, port: int | None, workers: int) -> None:
    """Bring the database up to date, then serve until Ctrl-C."""
    _serve(_settings(), host, port, workers)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: PORT, else 3000]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Server processes.")
def demo(host: str, port: int | None, workers: int) -> None:
    """Serve a demo hospital whose clinic day lives: watch its screens move. Its data lies apart from yours."""
    settings = _settings()
    apart = msgspec.structs.replace(settings, data_dir=settings.data_dir / "demo")
    _serve(apart, host, port, workers, also=[[sys.executable, "-m", "mediqon.demo"]])


def _serve(settings: Settings, host: str, port: int | None, workers: int, also: list[list[str]] | None = None) -> None:
    from mediqon import supervisor  # only a server needs it

    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    chosen = settings.port if port is None else port
    sys.exit(_run(supervisor.serve(settings, host=host, port=chosen, workers=workers, say=click.echo, also=also or [])))


@main.command()
@as_json
def migrate(json_output: bool) -> None:
    """Bring the database schema up to date."""
    applied = _run(_migrate(_settings()))
    if json_output:
        click.echo(json.dumps({"applied": applied}))
    else:
        click.echo(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")


async def _migrate(settings: Settings) -> list[str]:
    from mediqon import database, embedded

    async with embedded.servers(settings, say=_say) as filled:
        return await database.migrate(filled)


@main.command("create-hospital")
@click.option("--name", required=True, help="The hospital's name, as patients read it.")
@click.option("--timezone", required=True, help="An IANA name such as Asia/Kolkata.")
@click.option("--email", required=True, help="Log-in of its first account.")
@click.option("--password", help="Its password, 8 characters or more; left out, one is made and printed.")
def create_hospital(name: str, timezone: str, email: str, password: str | None) -> None:
    """Make a hospital and the account that manages it; beside a running server, or alone."""
    made = secrets.token_urlsafe(PASSWORD_BYTES) if password is None else None
    created = _run(_create_hospital(_settings(), name, timezone, email, password or made or ""))
    click.echo(json.dumps(created | ({"password": made} if made else {})))


async def _create_hospital(settings: Settings, name: str, timezone: str, email: str, password: str) -> dict[str, Any]:
    from mediqon import accounts, database, embedded

    async with embedded.servers(settings, say=_say) as filled:
        await database.migrate(filled)
        created = await accounts.create_hospital(filled, name, timezone, email, password)
    return {"hospital_id": created.hospital_id, "user_id": created.user_id}


@main.command("import-doctors")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--hospital", type=click.IntRange(1), required=True, help="The hospital's number: see create-hospital.")
@click.option("--dry-run", is_flag=True, help="Check everything and change nothing.")
@as_json
def import_doctors(file: Path, hospital: int, dry_run: bool, json_output: bool) -> None:
    """Take doctors and their hours from FILE, a CSV table: all of it, or nothing.

    Columns: name, email, days, start, end; and if you like specialty, room, token_prefix, slot_minutes, capacity. One
    row for each window of hours; rows with the same e-mail are one doctor. Days are like Mon-Fri or "Mon,Wed". New
    doctors get a password, printed this once.
    """
    answer = _run(_import_doctors(_settings(), file.read_bytes(), hospital, dry_run))
    if json_output:
        click.echo(json.dumps(answer))
    else:
        _tell_import(answer)
    sys.exit(1 if "errors" in answer else 0)


async def _import_doctors(settings: Settings, body: bytes, hospital_id: int, dry_run: bool) -> dict[str, Any]:
    """The import's answer, or its `errors`."""
    from mediqon import database, doctors_import, embedded
    from mediqon.errors import ImportErrors

    async with embedded.servers(settings, say=_say) as filled:
        await database.migrate(filled)
        try:
            now = datetime.now(UTC)
            done = await doctors_import.import_doctors(filled, body, hospital_id, dry_run=dry_run, now=now)
        except ImportErrors as problem:
            return msgspec.to_builtins(problem.members)
    return msgspec.to_builtins(done)


def _tell_import(answer: dict[str, Any]) -> None:
    for error in answer.get("errors", ()):
        _say(f"line {error['line']}: {' '.join(filter(None, (error['field'], error['message'])))}")
    if "errors" in answer:
        _say("Nothing was imported.")
        return
    for doctor in answer["doctors"]:
        password = f", password {doctor['password']}" if doctor["password"] else ""
        click.echo(f"{'new' if doctor['created'] else 'changed':8}{doctor['name']} <{doctor['email']}>{password}")
    tense = "would be " if answer["dry_run"] else ""
    click.echo(f"{answer['created']} doctors {tense}new, {answer['updated']} {tense}changed.")


@main.command()
@click.option("--quick", is_flag=True, help="One small run of each, in about a minute.")
@click.option("--only", multiple=True, type=click.Choice(KINDS), help="Only this kind; may be given several times.")
@click.option("--runs", type=click.IntRange(1, 20), help="Runs of each measurement.  [default: 3, quick 1]")
@click.option("--seconds", type=click.FloatRange(0.1, 30), help="Time of each measurement.  [default: 4, quick 1.5]")
@click.option("--sockets", type=click.IntRange(1), help="At most so many screens.  [default: 10000, quick 3000]")
@click.option("--clients", type=click.IntRange(1, 100), multiple=True, help="HTTP clients.  [default: 16 and 64]")
@click.option("--history", type=click.IntRange(1), help="Past appointments.  [default: 2000000, quick 100000]")
@as_json
def bench(
    quick: bool,
    only: tuple[Kind, ...],
    runs: int | None,
    seconds: float | None,
    sockets: int | None,
    clients: tuple[int, ...],
    history: int | None,
    json_output: bool,
) -> None:
    """Measure this machine with a server of its own, beside what nothing can beat.

    Starts PostgreSQL, Redis and one server process in a temporary directory, loads them, and takes everything down
    again. Each figure is the median of the runs. Its ratio is to what was measured beside it in the same run: a bare
    loop of sends, the same SQL without a server, a bare ASGI answer; so it holds on a busy machine too.

    \b
    fanout    one change to all screens of a day: deliveries, CPU, memory, HTTP meanwhile
    latency   a booking until the last screen shows it
    bookings  spread over doctors, and all for one
    status    status changes
    today     the desk's list
    polls     phones that ask again, answered 304
    logins    how long polls take while people log in
    growth    bookings with and without years of history
    """
    from mediqon.bench.report import show
    from mediqon.bench.scale import FULL, QUICK
    from mediqon.bench.telling import telling

    chosen = {"runs": runs, "seconds": seconds, "clients": clients or None, "history": history}
    scale = msgspec.structs.replace(QUICK if quick else FULL, **{k: v for k, v in chosen.items() if v is not None})
    report = telling(scale.at_most(sockets) if sockets else scale, only)
    if json_output:
        click.echo(msgspec.json.encode(report))
    else:
        show(report)


for command in (checkup.check, care.backup, care.restore, care.forget, care.export_day):
    main.add_command(command)
