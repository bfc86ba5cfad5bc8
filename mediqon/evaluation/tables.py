"""Scores as tables for people and as JSON for programs."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mediqon.evaluation.goals import Goal
from mediqon.evaluation.methods import LABELS, OURS
from mediqon.evaluation.scores import HORIZONS, Score, Scores


def methods_json(scores: Scores) -> dict[str, dict[str, float | None]]:
    """Minutes and shares; only ours gives a range."""
    return {name: _method(name, score) for name, score in scores.methods.items()}


def _method(name: str, score: Score) -> dict[str, float | None]:
    ranged = name == OURS and score.count > 0
    return {
        "mae": _rounded(score.mae),
        "bias": _rounded(score.bias),
        "cover80": _rounded(1 - (score.below80 + score.above80) / score.count) if ranged else None,
        "cover90": _rounded(1 - score.outside90 / score.count) if ranged else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def goals_json(goals: Sequence[Goal]) -> list[dict[str, Any]]:
    return [
        {"name": goal.name, "found": round(goal.found, 4), "least": goal.least, "most": goal.most, "met": goal.met}
        for goal in goals
    ]


def print_methods(console: Console, title: str, scores: Scores) -> None:
    """Each method's error, in all and, in the last columns, by minutes until the call."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0)
    edges = ["0", *(f"{edge:.0f}" for edge in HORIZONS)]
    columns = ("error", "bias", "80 %", "90 %", *(f"{edge}+" for edge in edges))
    table.add_column("minutes", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", min_width=5)
    for name, score in scores.methods.items():
        found = _method(name, score)
        near = [horizon[name].mae if name in horizon else None for horizon in scores.horizons]
        shares = [_percent(found["cover80"]), _percent(found["cover90"])]
        table.add_row(
            LABELS[name], _minutes(score.mae), _minutes(score.bias), *shares, *map(_minutes, near),
            style="bold" if name == OURS else None,
        )  # fmt: skip
    console.print(table)


def print_goals(console: Console, goals: Sequence[Goal]) -> None:
    table = Table(title="Goals", title_justify="left", box=SIMPLE, padding=0)
    for column in ("", "found", "goal", ""):
        table.add_column(column, justify="right" if column else "left")
    for goal in goals:
        wanted = f"{goal.least:g} to {goal.most:g}" if goal.least else f"at most {goal.most:g}"
        table.add_row(goal.name, f"{goal.found:.3f}", wanted, "met" if goal.met else "[red]not met[/red]")
    console.print(table)


def _minutes(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f}"
