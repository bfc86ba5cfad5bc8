"""A benchmark for somebody who waits for it."""

from collections.abc import Sequence

import rich_click as click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mediqon.bench.report import Report
from mediqon.bench.run import run
from mediqon.bench.scale import Kind, Scale
from mediqon.children import ChildFailed
from mediqon.settings import SettingsError


def telling(scale: Scale, only: Sequence[Kind]) -> Report:
    """Runs it and says on stderr what is being measured. Raises ClickException with what went wrong."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("")

        def step(what: str) -> None:
            progress.update(task, description=what)
            if not console.is_terminal:
                click.echo(what, err=True)

        try:
            return run(scale, only, step=step)
        except (ChildFailed, SettingsError, RuntimeError, OSError) as error:
            raise click.ClickException(str(error)) from error
