"""Commands that look after the data: `mediqon backup | restore | forget | export-day`."""

from datetime import UTC, date, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from mediqon import migrations, terminal
from mediqon.settings import Settings

if TYPE_CHECKING:
    from mediqon.backup import Restored, Saved
    from mediqon.erasure import Forgotten


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@terminal.as_json
def backup(file: Path, json_output: bool) -> None:
    """Write the whole database to FILE, beside a running server or alone.

    It is PostgreSQL's custom dump format. The file is for your eyes only: it holds everything there is.
    """
    saved = terminal.run(_backup(terminal.settings(), file))
    if json_output:
        click.echo(msgspec.json.encode(saved))
    else:
        click.echo(f"Wrote {saved.file}, {saved.bytes / 1e6:.1f} MB.")


async def _backup(settings: Settings, file: Path) -> "Saved":
    from mediqon import backup, embedded

    async with embedded.servers(settings, say=terminal.say) as filled:
        return await backup.backup(filled, file)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--beside-server", is_flag=True, help="Also while Mediqon runs; its screens show the restored state.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@terminal.as_json
def restore(file: Path, beside_server: bool, yes: bool, json_output: bool) -> None:
    """Put the database back as it is in FILE: all of it, or nothing has happened.

    What is in the database now is lost. An older backup is brought up to date afterwards.
    """
    if not yes:
        click.confirm(f"Replace everything in the database by {file}?", abort=True, err=True)
    restored = terminal.run(_restore(terminal.settings(), file, beside_server))
    if json_output:
        click.echo(msgspec.json.encode(restored))
    else:
        click.echo(f"Restored {file}." + (f" Applied {', '.join(restored.applied)}." if restored.applied else ""))


async def _restore(settings: Settings, file: Path, beside_server: bool) -> "Restored":
    from mediqon import backup, embedded

    async with embedded.servers(settings, say=terminal.say) as filled:
        return await backup.restore(filled, file, beside_servers=beside_server)


@click.command()
@click.option("--patient", type=click.IntRange(1), help="This one patient.")
@click.option(
    "--before", type=click.DateTime(["%Y-%m-%d"]), help="Everybody without a visit since, and all words before."
)
@click.option("--dry-run", is_flag=True, help="Count and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@terminal.as_json
def forget(patient: int | None, before: datetime | None, dry_run: bool, yes: bool, json_output: bool) -> None:
    """Forget people for good: names, phones, e-mail addresses, log-ins and reasons.

    Their visits stay as numbers, so that reports still add up, and that somebody was forgotten is recorded. Older
    backups still know them: forget again after a restore.
    """
    if (patient is None) == (before is None):
        raise click.UsageError("Say either --patient or --before.")
    if not yes and not dry_run:
        click.confirm("This cannot be taken back. Go on?", abort=True, err=True)
    gone = terminal.run(_forget(terminal.settings(), patient, before.date() if before else None, dry_run))
    if json_output:
        click.echo(msgspec.json.encode(gone))
    else:
        click.echo(
            f"{'Would forget' if dry_run else 'Forgot'} {gone.patients} patients, {gone.accounts} with a log-in; "
            f"{gone.visits} visits stay as numbers. Words erased: {gone.reasons} reasons, "
            f"{gone.events} in their stories."
        )


async def _forget(settings: Settings, patient: int | None, before: date | None, dry_run: bool) -> "Forgotten":
    from mediqon import database, embedded, erasure
    from mediqon.auth.audit import key_of

    async with embedded.servers(settings, say=terminal.say) as filled:
        await migrations.migrate(filled)
        async with database.connection(filled) as conn:
            by, key, now = getuser(), key_of(filled.audit_secrets[0]), datetime.now(UTC)
            if patient is not None:
                return await erasure.forget_patient(conn, patient, now=now, by=by, key=key, dry_run=dry_run)
            assert before is not None
            return await erasure.forget_before(conn, before, now=now, by=by, key=key, dry_run=dry_run)


@click.command("export-day")
@click.option("--doctor", type=click.IntRange(1), required=True, help="The doctor's number.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="In the hospital's timezone.")
def export_day(doctor: int, day: datetime) -> None:
    """Print everything about one doctor's day as JSON: its hours, its visits with names, and its story."""
    exported = terminal.run(_export(terminal.settings(), doctor, day.date()))
    click.echo(msgspec.json.format(msgspec.json.encode(exported)))


async def _export(settings: Settings, doctor_id: int, day: date) -> dict[str, Any]:
    from mediqon import database, embedded
    from mediqon.queues import days
    from mediqon.queues.models import DayKey

    async with embedded.servers(settings, say=terminal.say) as filled:
        await migrations.migrate(filled)
        async with database.connection(filled) as conn, conn.transaction(isolation="repeatable_read"):
            await database.teach_json(conn)
            facts = await days.look(conn, DayKey(doctor_id, day))
            events = await conn.fetch(database.statements("queues").day_events, doctor_id, day)
    return {"day": facts, "events": [dict(event) for event in events]}
