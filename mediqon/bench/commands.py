"""`mediqon bench`."""

import sys

import msgspec
import rich_click as click

from mediqon.bench.report import show
from mediqon.bench.scale import FULL, KINDS, QUICK, Kind
from mediqon.bench.telling import telling


@click.command()
@click.option("--quick", is_flag=True, help="One small run of each, in about a minute.")
@click.option("--only", multiple=True, type=click.Choice(KINDS), help="Only this kind; may be given several times.")
@click.option("--runs", type=click.IntRange(1, 20), help="Runs of each measurement.  [default: 3, quick 1]")
@click.option("--seconds", type=click.FloatRange(0.1, 30), help="Time of each measurement.  [default: 3, quick 1.5]")
@click.option("--sockets", type=click.IntRange(1), help="At most so many screens.  [default: 10000, quick 3000]")
@click.option("--clients", type=click.IntRange(1, 100), multiple=True, help="HTTP clients.  [default: 16 and 64]")
@click.option("--history", type=click.IntRange(1), help="Past appointments.  [default: 2000000, quick 100000]")
@click.option("--json", "json_output", is_flag=True, help="Print for programs, not for people.")
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
    chosen = {"runs": runs, "seconds": seconds, "clients": clients or None, "history": history}
    scale = msgspec.structs.replace(QUICK if quick else FULL, **{k: v for k, v in chosen.items() if v is not None})
    report = telling(scale.at_most(sockets) if sockets else scale, only)
    if json_output:
        click.echo(msgspec.json.encode(report))
    else:
        show(report)
    sys.exit(1 if report.failures else 0)
