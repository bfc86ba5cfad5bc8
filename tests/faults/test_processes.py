"""`mediqon serve` as a whole: what its processes do when told to end, and when one of them is killed."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from mediqon.tether import SILENCE_S
from processes import START_LIMIT_S, Serve, end_all, none_left, pid_of, processes_of, within

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

END_LIMIT_S = 5
RECOVERY_LIMIT_S = 10


@pytest.fixture
def data_dir() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="mq"))
    yield parent / "data"
    end_all(parent)
    rmtree(parent)


@pytest.fixture(scope="module")
def running() -> Iterator[Serve]:
    """One server with two workers for all that it must survive."""
    parent = Path(tempfile.mkdtemp(prefix="mq"))
    serve = Serve(parent / "data", "--port", "0", "--workers", "2")
    assert within(START_LIMIT_S, serve.answers), serve.said
    yield serve
    serve.told(signal.SIGTERM)
    rmtree(parent)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_where_it_says_and_ends_on_a_signal_with_nothing_left(data_dir: Path, number: signal.Signals) -> None:
    serve = Serve(data_dir)
    assert within(START_LIMIT_S, serve.answers), serve.said
    assert serve.told(number) < END_LIMIT_S


def test_after_a_kill_of_the_parent_nothing_is_left_and_the_next_start_copes(data_dir: Path) -> None:
    killed = Serve(data_dir)
    assert killed.answers()
    killed.process.kill()
    killed.process.wait()
    assert within(END_LIMIT_S, lambda: none_left(data_dir)), processes_of(data_dir)
    restarted = Serve(data_dir)
    assert restarted.answers()
    restarted.told(signal.SIGTERM)


def test_a_signal_during_the_first_start_leaves_nothing_running_and_nothing_half_made(data_dir: Path) -> None:
    serve = Serve(data_dir)
    assert serve.says("Creating the database")
    serve.told(signal.SIGTERM)
    assert not (data_dir / "postgres").exists()


def test_a_stuck_worker_delays_the_end_by_less_than_five_seconds_and_a_second_signal_not_at_all(data_dir: Path) -> None:
    stuck = Serve(data_dir)
    assert stuck.answers()
    _stop_worker(data_dir)
    assert stuck.told(signal.SIGTERM) < END_LIMIT_S
    hastened = Serve(data_dir)
    assert hastened.answers()
    _stop_worker(data_dir)
    hastened.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert hastened.told(signal.SIGINT) < 2


@pytest.mark.parametrize("program", ["mediqon.worker", "bin/postgres", "valkey-server"])
def test_a_killed_process_is_replaced(running: Serve, program: str) -> None:
    killed = pid_of(running.data_dir, program)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert within(RECOVERY_LIMIT_S, lambda: killed not in processes_of(running.data_dir))
    assert within(RECOVERY_LIMIT_S, lambda: _count(running.data_dir, program) == (2 if "worker" in program else 1))
    assert within(RECOVERY_LIMIT_S, running.answers), running.said


def test_a_worker_that_no_longer_moves_is_replaced(running: Serve) -> None:
    frozen = _stop_worker(running.data_dir)
    assert within(SILENCE_S + RECOVERY_LIMIT_S, lambda: frozen not in processes_of(running.data_dir)), running.said
    assert within(RECOVERY_LIMIT_S, lambda: "has not moved for" in running.said)
    assert within(RECOVERY_LIMIT_S, lambda: _count(running.data_dir, "mediqon.worker") == 2)


def test_a_second_server_on_the_same_data_is_told_where_the_first_one_is(running: Serve) -> None:
    second = Serve(running.data_dir)
    assert second.process.wait(START_LIMIT_S) != 0
    assert f"already running as pid {running.process.pid} at {running.url}" in second.said
    assert running.answers()


def test_a_taken_port_is_named_with_what_to_do(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        serve = Serve(data_dir, "--port", port)
        assert serve.process.wait(START_LIMIT_S) != 0
    assert f"Port {port} is taken" in serve.said
    assert "--port" in serve.said
    assert none_left(data_dir)


def _count(data_dir: Path, program: str) -> int:
    return sum(program in command for command in processes_of(data_dir).values())


def _stop_worker(data_dir: Path) -> int:
    """SIGSTOP: it hears no signal but SIGKILL. Returns its pid."""
    pid = pid_of(data_dir, "mediqon.worker")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid
