"""Samples become figures: medians, ranges, and how they compare with what was measured beside them."""

import os
import platform
from collections.abc import Mapping, Sequence
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from mediqon.bench.scale import Kind, Scale

FILE_COLUMNS = 110


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. `floors`: the same unit, by what gave it; `counts`: what it is made of, to be checked."""

    kind: Kind
    name: str
    unit: str
    value: float
    floors: Mapping[str, float] = {}
    counts: Mapping[str, int] = {}


class Floor(msgspec.Struct, frozen=True):
    """`ratio`: the median over the runs of figure through floor, each pair measured in the same run."""

    name: str
    median: float
    ratio: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What several runs of one measurement came to."""

    kind: Kind
    name: str
    unit: str
    median: float
    runs: Sequence[float]
    floors: Sequence[Floor]
    counts: Sequence[Mapping[str, int]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one benchmark found. `load`: of the machine in the minute before; `failures`: why, by kind."""

    version: str
    machine: str
    cores: int
    python: str
    load: float
    seconds: float
    scale: Scale
    figures: Sequence[Figure]
    failures: Mapping[str, str] = {}


def machine() -> dict[str, str | int | float]:
    """Where it was measured."""
    return {
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def figures(samples: Sequence[Sample]) -> list[Figure]:
    """One figure for each kind and name, in the order of their first samples."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.kind, sample.name), []).append(sample)
    return [_figure(group) for group in groups.values()]


def _figure(group: Sequence[Sample]) -> Figure:
    first = group[0]
    return Figure(
        kind=first.kind,
        name=first.name,
        unit=first.unit,
        median=median(sample.value for sample in group),
        runs=[sample.value for sample in group],
        floors=[_floor(name, group) for name in first.floors],
        counts=[sample.counts for sample in group],
    )


def _floor(name: str, group: Sequence[Sample]) -> Floor:
    floors = [sample.floors[name] for sample in group]
    ratios = [sample.value / below for sample, below in zip(group, floors, strict=True) if below]
    return Floor(name, median(floors), median(ratios) if ratios else 0.0)


def table(report: Report) -> Table:
    """The report for people."""
    runs = report.scale.runs
    drawn = Table(
        title=f"Mediqon {report.version} on {report.cores} cores, {report.machine}, Python {report.python}",
        caption=f"Median of {runs} run{'s' * (runs > 1)} (lowest – highest); one server process. "
        f"The ratio is to what was measured beside it in the same run. Took {report.seconds:.0f} s.",
    )
    for heading in ("What", "Figure", "", "Beside it", "Ratio"):
        drawn.add_column(heading, justify="right" if heading in {"Figure", "Ratio"} else "left")
    last = ""
    for figure in report.figures:
        if figure.kind != last:
            drawn.add_section()
        last = figure.kind
        drawn.add_row(figure.name, _value(figure), figure.unit, _beside(figure), _ratios(figure))
    return drawn


def _value(figure: Figure) -> str:
    if len(figure.runs) == 1:
        return number(figure.median)
    return f"{number(figure.median)} ({number(min(figure.runs))} – {number(max(figure.runs))})"


def _beside(figure: Figure) -> str:
    return "\n".join(f"{floor.name} {number(floor.median)}" for floor in figure.floors)


def _ratios(figure: Figure) -> str:
    return "\n".join(f"{floor.ratio:.2f}" for floor in figure.floors)


def number(value: float) -> str:
    """Three digits that count, never an exponent: `0.123`, `12.3`, `1230`."""
    if value == 0:
        return "0"
    digits = max(0, 2 - _magnitude(value))
    return f"{value:.{digits}f}"


def _magnitude(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])


def shortcomings(report: Report) -> list[str]:
    """What did not arrive, in words: a rate says nothing about it."""
    sentences = [f"{kind}: not measured to its end. {why}" for kind, why in report.failures.items()]
    for figure in report.figures:
        missed, expected, lost, turned_away = (
            sum(counts.get(name, 0) for counts in figure.counts)
            for name in ("missed", "expected", "lost_sockets", "turned_away")
        )
        if missed or lost:
            never = f"{missed} of {expected} deliveries never came"
            sentences.append(f"{figure.name}: {never}, {lost} screens were closed by the server.")
        if turned_away:
            sentences.append(f"{figure.name}: {turned_away} times a screen was turned away and came again.")
    return sentences


def show(report: Report) -> None:
    """Prints the table, and below it what did not arrive."""
    console = Console()
    if not console.is_terminal:
        console.width = FILE_COLUMNS
    console.print(table(report))
    for sentence in shortcomings(report):
        console.print(sentence, style="bold red", highlight=False)
