"""The command line; `ELSEWHERE` names the commands that stand in modules of their own."""

import json
import secrets
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from mediqon import __version__, migrations
from mediqon.settings import Settings
from mediqon.terminal import as_json
from mediqon.terminal import run as _run
from mediqon.terminal import say as _say
from mediqon.terminal import settings as _settings

if TYPE_CHECKING:
    from mediqon.auth.logbook import Report

PASSWORD_BYTES = 9
ELSEWHERE = {
    "backup": "mediqon.care",
    "bench": "mediqon.bench.commands",
    "check": "mediqon.checkup",
    "evaluate": "mediqon.evaluation.commands",
    "export-day": "mediqon.care",
    "forget": "mediqon.care",
    "restore": "mediqon.care",
    "simulate": "mediqon.evaluation.commands",
}
"""Commands in modules of their own, loaded when they are called."""


class Commands(click.RichGroup):
    """Commands, those of other packages loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in ELSEWHERE:
            return getattr(import_module(ELSEWHERE[cmd_name]), cmd_name.replace("-", "_"))
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
    from mediqon import logs, supervisor  # only a server needs it

    logs.configure(settings.log_level)
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
    from mediqon import embedded

    async with embedded.servers(settings, say=_say) as filled:
        return await migrations.migrate(filled)


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
    from mediqon import accounts, embedded

    async with embedded.servers(settings, say=_say) as filled:
        await migrations.migrate(filled)
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
    from mediqon import doctors_import, embedded
    from mediqon.errors import ImportErrors

    async with embedded.servers(settings, say=_say) as filled:
        await migrations.migrate(filled)
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
@click.option("--doctor", type=click.IntRange(1), help="Only this one.  [default: every doctor]")
@as_json
def relearn(doctor: int | None, json_output: bool) -> None:
    """Learn each doctor's habits anew from the events of all closed days."""
    learnt = _run(_relearn(_settings(), doctor))
    if json_output:
        click.echo(json.dumps({"doctors": learnt}))
    else:
        for each in learnt:
            click.echo(f"doctor {each['doctor_id']}: {each['sessions']} days")
        click.echo(f"Learnt {len(learnt)} histories anew.")


async def _relearn(settings: Settings, doctor_id: int | None) -> list[dict[str, Any]]:
    from mediqon import database, embedded
    from mediqon.queues import learning

    async with embedded.servers(settings, say=_say) as filled:
        await migrations.migrate(filled)
        async with database.open_pool(filled) as pool:
            histories = await learning.relearn_all(pool, doctor_id)
    return [{"doctor_id": each, "sessions": history.sessions} for each, history in histories.items()]


@main.group("audit")
def audit_group() -> None:
    """The logbook: who logged in, who was refused, who looked at patients' visits."""


@audit_group.command("verify")
@as_json
def verify_audit(json_output: bool) -> None:
    """Check that nobody has changed the logbook or the visits' stories, whoever they were in the database.

    Exits 1 when somebody has. Keep the last seal it prints somewhere else: it tells whether the end was cut off.
    """
    report = _run(_verify_audit(_settings()))
    if json_output:
        click.echo(msgspec.json.encode(report))
    else:
        for finding in report.findings:
            click.echo(f"{finding.day} number {finding.number}: {finding.problem}")
        click.echo(
            f"{report.entries} entries of {report.days} days and {report.events_sealed} sealed events checked, "
            f"{report.events_forgotten} of them forgotten, {len(report.findings)} broken. "
            f"Last seal: {report.last_seal or 'none'}"
        )
    sys.exit(1 if report.findings else 0)


async def _verify_audit(settings: Settings) -> "Report":
    from mediqon import database, embedded
    from mediqon.auth import audit, logbook

    async with embedded.servers(settings, say=_say) as filled:
        keys = [audit.key_of(secret) for secret in filled.audit_secrets]
        async with database.connection(filled) as conn:
            return await logbook.verify(conn, keys)
