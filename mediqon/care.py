"""Commands that look after the data: `mediqon backup | restore`."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from mediqon import terminal
from mediqon.settings import Settings

if TYPE_CHECKING:
    from mediqon.backup import Restored, Saved


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
