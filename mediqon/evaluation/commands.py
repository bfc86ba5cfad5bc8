"""`mediqon simulate` and `mediqon evaluate`."""

import json
import sys
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import Progress

from mediqon.evaluation import plot, tables
from mediqon.evaluation.clinic import SCENARIOS
from mediqon.evaluation.evaluate import evaluate as evaluate_days
from mediqon.evaluation.goals import goals
from mediqon.evaluation.log import Log, LogError, doctors_days, read_log
from mediqon.evaluation.scores import Scores
from mediqon.evaluation.simulate import COST_LINE, WARM_UP_DAYS, Result
from mediqon.evaluation.simulate import simulate as simulate_days

NAMED_ROWS = 10
"""So many bad rows are named to people; programs get all."""
as_json = click.option("--json", "json_output", is_flag=True, help="Print for programs, not for people.")


@click.command()
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), default="base", show_default=True, help="What clinic.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same days.")
@click.option("--days", type=click.IntRange(1, 2000), default=40, show_default=True, help="Days that are scored.")
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw into this SVG file.")
@as_json
def simulate(scenario: str, seed: int, days: int, picture: Path | None, json_output: bool) -> None:
    """Simulate clinic days, and hold expected times against what products usually show.

    Lognormal visits that speed up, no-shows, people early and late, walk-ins, emergencies, a late doctor, a break. The
    first 40 days are only learnt from.
    """
    if picture is not None and not picture.absolute().parent.is_dir():
        raise click.ClickException(f"There is no folder {picture.parent} to draw into.")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{scenario} clinic", total=WARM_UP_DAYS + days)
        result = simulate_days(scenario, seed=seed, days=days, step=lambda: progress.advance(task))
    if picture is not None:
        picture.write_text(plot.draw(result.scores, f"Expected times in a simulated clinic: {scenario}, seed {seed}"))
    if json_output:
        click.echo(json.dumps({"scenario": scenario, "seed": seed, "days": days} | _simulated(result)))
    else:
        _print_simulated(result, f"{days} days of the {scenario} clinic, seed {seed}: how far predictions were off")


def _simulated(result: Result) -> dict[str, object]:
    watched = result.watched
    return {
        "methods": tables.methods_json(result.scores),
        "predictions": result.scores.predictions,
        "shown": {
            "mae": round(watched.mae, 2),
            "jumps_per_hour": round(watched.jumps_an_hour, 2),
            "raw_jumps_per_hour": round(watched.raw_jumps_an_hour, 2),
            "told": watched.told,
            "missed_turns": round(watched.missed_share, 4),
            "wait": round(watched.wait, 1),
        },
        "goals": tables.goals_json(list(goals(result.scores, watched))),
        "cost_ms_per_100_waiting": round(result.cost_ms, 3),
    }


def _print_simulated(result: Result, title: str) -> None:
    console = Console()
    tables.print_methods(console, title, result.scores)
    tables.print_goals(console, list(goals(result.scores, result.watched)))
    watched = result.watched
    console.print(
        f"On screen: {watched.jumps_an_hour:.1f} jumps an hour (unheld {watched.raw_jumps_an_hour:.1f}), "
        f"error {watched.mae:.1f} min. One pass over {COST_LINE} waiting: {result.cost_ms:.2f} ms here and now."
    )


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--warmup", type=click.IntRange(0), default=40, show_default=True, help="First days, only learnt from.")
@click.option(
    "--slot-minutes", type=click.FloatRange(1, 240), help="Configured minutes a visit.  [default: as the log]"
)
@as_json
def evaluate(file: Path, warmup: int, slot_minutes: float | None, json_output: bool) -> None:
    """Hold expected times against a clinic's own log, FILE: each day predicted from the days before it.

    Columns, in any order: doctor, day, start, end (ISO instants; end may be empty), and if you like slot, check_in,
    visit_type (new, return) and status (no_show). Without slots, a day's visits are a line in order of their start, up
    to 12 ahead, predicted at each start and every five minutes. Configured minutes are the distance of slots;
    without slots, the mean visit of the warm-up down to five minutes, as clinics book tighter than visits take.
    """
    try:
        log = read_log(file.read_bytes())
    except LogError as problem:
        raise click.ClickException(str(problem)) from None
    doctors = doctors_days(log.rows)
    scores = Scores()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("days", total=sum(map(len, doctors.values())))
        for days in doctors.values():
            evaluate_days(days, scores, warmup=warmup, slot_minutes=slot_minutes, step=lambda: progress.advance(task))
    if json_output:
        answer = {"methods": tables.methods_json(scores), "predictions": scores.predictions}
        bad = [{"line": row.line, "problem": row.problem} for row in log.bad]
        click.echo(json.dumps(answer | {"rows": len(log.rows), "bad_rows": {"count": len(bad), "rows": bad}}))
    else:
        _print_evaluated(log, scores, f"{file.name}: how far predictions were off")
    if not scores.predictions:
        click.echo(f"Nothing was predicted: no doctor has more than {warmup} days. See --warmup.", err=True)
        sys.exit(1)


def _print_evaluated(log: Log, scores: Scores, title: str) -> None:
    console = Console()
    tables.print_methods(console, title, scores)
    tables.print_goals(console, list(goals(scores)))
    click.echo(f"{scores.predictions} predictions from {len(log.rows)} rows; {len(log.bad)} bad rows left out.")
    for row in log.bad[:NAMED_ROWS]:
        click.echo(f"  line {row.line}: {row.problem}")
    if len(log.bad) > NAMED_ROWS:
        click.echo(f"  and {len(log.bad) - NAMED_ROWS} more; --json names them all.")
