"""What every command has in common: its settings, how it tells its progress, and its failures in a sentence."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
import rich_click as click

from mediqon.children import ChildFailed
from mediqon.settings import Settings, SettingsError, read_settings

T = TypeVar("T")

as_json = click.option("--json", "json_output", is_flag=True, help="Print for programs, not for people.")


def settings() -> Settings:
    """Those of the environment. Raises ClickException with the sentence for the administrator."""
    try:
        return read_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def say(line: str) -> None:
    """Progress goes to stderr where the answer is for programs."""
    click.echo(line, err=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it, and tells what an administrator can mend in a sentence."""
    from mediqon.database import LOST
    from mediqon.errors import Problem

    try:
        return asyncio.run(work)
    except (SettingsError, ChildFailed, Problem, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except asyncpg.PostgresError as error:
        raise click.ClickException(
            f"PostgreSQL refuses: {error}. See DB_HOST, DB_USER, DB_PASSWORD, DB_NAME."
        ) from None
    except LOST as error:
        raise click.ClickException(f"PostgreSQL does not answer: {error}. See DB_HOST and DB_PORT.") from None
