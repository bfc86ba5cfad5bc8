"""`mediqon bench`, at a size that proves only that it measures: complete figures, counts that add up, nothing left."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mediqon.bench import wire
from mediqon.bench.callers import Tally, quantile
from mediqon.bench.report import Figure, Floor, Sample, figures, number, shortcomings
from mediqon.bench.report import Report as BenchReport
from mediqon.bench.scale import FULL, KINDS, QUICK, Fan
from processes import none_left, processes_of, within

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark counts with epoll and /proc")

BENCH_LIMIT_S = 240
END_LIMIT_S = 15
SMALL = ("--quick", "--seconds", "0.3", "--sockets", "20", "--clients", "2", "--history", "2000")
SCREENS = 20

Report = dict[str, Any]


class Bench:
    """A `mediqon bench` whose temporary files lie in a directory of the test's."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            (sys.executable, "-m", "mediqon", "bench", *flags),
            env={**os.environ, "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def clean(self) -> bool:
        """Whether neither a process nor a file remains."""
        return none_left(self.directory) and not list(self.directory.iterdir())


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mq") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    """One small run of everything, which has left nothing behind."""
    with tempfile.TemporaryDirectory(prefix="mq") as directory:
        bench = Bench(Path(directory), *SMALL, "--json")
        answer, told = bench.process.communicate(timeout=BENCH_LIMIT_S)
        assert bench.process.returncode == 0, told
        assert bench.clean(), processes_of(Path(directory))
        yield json.loads(answer)


def of(report: Report, kind: str, unit: str = "") -> list[Report]:
    return [each for each in report["figures"] if each["kind"] == kind and unit in {"", each["unit"]}]


@linux_only
def test_every_kind_gives_complete_figures(report: Report) -> None:
    assert {figure["kind"] for figure in report["figures"]} == set(KINDS)
    for figure in report["figures"]:
        assert len(figure["runs"]) == report["scale"]["runs"] == 1
        assert figure["median"] > 0 or figure["unit"] in {"KB", "CPU-s/million"}, figure
        assert all(floor["median"] > 0 and floor["ratio"] > 0 for floor in figure["floors"]), figure


@linux_only
def test_every_screen_has_every_change(report: Report) -> None:
    fans = of(report, "fanout", "k deliveries/s") + of(report, "latency")
    assert len(fans) == 6
    for figure in fans:
        counts = figure["counts"][0]
        assert counts["deliveries"] == counts["expected"] > 0, figure
        assert counts["missed"] == counts["lost_sockets"] == 0, figure
        assert counts["deliveries"] == counts["updates"] * (5 if "× 5" in figure["name"] else SCREENS), figure


@linux_only
@pytest.mark.parametrize(
    ("kind", "expected"), [("bookings", {"201"}), ("status", {"200"}), ("today", {"200"}), ("polls", {"304", "200"})]
)
def test_every_request_was_answered_as_it_should_be(report: Report, kind: str, expected: set[str]) -> None:
    for figure in of(report, kind):
        counts = dict(figure["counts"][0])
        sent = counts.pop("sent")
        assert sent == sum(counts.values()) > 0, figure
        assert set(counts) <= expected, figure


@linux_only
def test_bookings_are_compared_with_the_same_rows_written_by_nothing_but_postgresql(report: Report) -> None:
    figures = of(report, "bookings")
    assert [figure["name"] for figure in figures] == ["200 doctors, 2 clients", "one hot doctor, 2 clients"]
    assert all({"asyncpg alone", "pgbench"} == {floor["name"] for floor in figure["floors"]} for figure in figures)


@linux_only
def test_the_years_are_there_when_it_measures_growth(report: Report) -> None:
    (figure,) = of(report, "growth")
    assert "2000 past appointments" in figure["name"]
    assert figure["counts"][0]["201"] > 0
    assert figure["counts"][0]["booked_when_empty"] > 0


@linux_only
def test_people_get_a_table(directory: Path) -> None:
    bench = Bench(directory, *SMALL, "--only", "polls")
    answer, told = bench.process.communicate(timeout=BENCH_LIMIT_S)
    assert bench.process.returncode == 0, told
    assert "polls/s" in answer
    assert "bare ASGI" in answer
    assert "polls of a queue, run 1 of 1" in told


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_while_it_measures_it_takes_everything_with_it(directory: Path, number: signal.Signals) -> None:
    bench = Bench(directory, *SMALL, "--only", "polls", "--seconds", "30")
    assert bench.process.stderr is not None
    assert any("polls of a queue" in line for line in bench.process.stderr)
    bench.process.send_signal(number)
    bench.process.communicate(timeout=BENCH_LIMIT_S)
    assert bench.process.returncode != 0
    assert within(END_LIMIT_S, lambda: none_left(directory)), processes_of(directory)
    assert number == signal.SIGKILL or bench.clean()


def test_a_figure_is_the_median_and_its_ratio_the_median_of_the_pairs() -> None:
    runs = [(10.0, 20.0), (30.0, 40.0), (20.0, 100.0)]
    samples = [
        Sample(kind="today", name="reads", unit="reads/s", value=value, floors={"bare": bare}) for value, bare in runs
    ]
    (figure,) = figures(samples)
    assert (figure.median, figure.runs) == (20.0, [10.0, 30.0, 20.0])
    assert figure.floors == [Floor("bare", 40.0, 0.5)]


def test_what_never_arrived_is_said() -> None:
    counts = {"expected": 100, "missed": 5, "lost_sockets": 1}
    figure = Figure(
        kind="fanout", name="1 × 10", unit="k deliveries/s", median=1, runs=[1], floors=[], counts=[counts, counts]
    )
    report = BenchReport(
        version="1",
        machine="",
        cores=2,
        python="",
        load=0,
        seconds=1,
        scale=QUICK,
        figures=[figure],
        failures={"polls": "the server hung up"},
    )
    assert shortcomings(report) == [
        "polls: not measured to its end. the server hung up",
        "1 × 10: 10 of 200 deliveries never came, 2 screens were closed by the server.",
    ]


def test_a_figure_is_not_true_when_an_answer_is_missing_or_another_one() -> None:
    tally = Tally(sent=2)
    tally.statuses.update([201])
    with pytest.raises(RuntimeError):
        tally.only(201)
    tally.statuses.update([409])
    with pytest.raises(RuntimeError):
        tally.only(201)
    assert tally.only(201, 409) is tally


def test_fewer_sockets_shrink_every_shape_and_keep_no_shape_twice() -> None:
    small = FULL.at_most(500)
    assert small.fans == (Fan(1, 500), Fan(100, 5, window=32))
    assert small.latency_screens == 500
    assert FULL.at_most(10_000) == FULL


def test_answers_and_frames_are_taken_apart_only_when_they_are_complete() -> None:
    whole = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nhello'
    assert wire.answer(whole[:-1]) is None
    heard = wire.answer(whole)
    assert heard is not None
    assert (heard.status, heard.body, wire.header(heard.head, b"etag")) == (200, b"hello", b'"x"')
    short, long = b"\x81\x02hi", b"\x81\x7e\x01\x00" + bytes(256)
    assert [frame.stop for frame in wire.frames(short + long)] == [4, 264]
    assert [frame.stop for frame in wire.frames((short + long)[:-1])] == [4]


def test_quantiles_are_in_milliseconds_and_numbers_have_three_digits_that_count() -> None:
    assert quantile([0.003, 0.001, 0.002], 0.5) == 2
    assert quantile([], 0.99) == 0
    assert [number(value) for value in (0, 0.01234, 1.234, 123.4, 12345.6)] == ["0", "0.0123", "1.23", "123", "12346"]
