"""What /metrics tells: true, added up over the workers, and nothing personal in it."""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from builders import Clinic, Server, open_clinic
from conftest import Clock, serving
from mediqon import metrics
from mediqon.settings import Settings
from processes import START_LIMIT_S, Serve, end_all, processes_of, within
from wire import wire_to

DASHBOARD = Path(__file__).parent.parent / "docs" / "grafana.json"
COPIED_SECONDS = 3.0
REQUESTS, COUNTED_S = 40, 5.0


class Figures(dict[str, float]):
    """The samples of an exposition, as Prometheus writes them: `name{label="value"}`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                self[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value

    def since(self, earlier: "Figures", name: str) -> float:
        return self.get(name, 0) - earlier.get(name, 0)


async def figures(server: Server) -> Figures:
    answer = await server.http.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return Figures(answer.text)


async def until(server: Server, name: str, value: float) -> None:
    async with asyncio.timeout(COPIED_SECONDS):
        while (await figures(server)).get(name) != value:
            await asyncio.sleep(0.1)


@pytest.mark.anyio
async def test_bookings_transitions_and_refusals_are_counted_when_they_are_done(server: Server, clinic: Clinic) -> None:
    before = await figures(server)
    visit = await clinic.reception.book(clinic.doctor_id, time="10:00", patient={"name": "Ann"})
    again = await clinic.reception.book(clinic.doctor_id, time="10:00", patient={"name": "Bob"})
    assert again["code"] == "slot_taken"
    await clinic.reception.walk_in(clinic.doctor_id)
    await clinic.reception.move(visit, "CHECKED_IN")
    await clinic.reception.move(visit, "CHECKED_IN")
    after = await figures(server)
    told = {
        'mediqon_bookings_total{kind="seat"}': 1,
        'mediqon_bookings_total{kind="walk_in"}': 1,
        'mediqon_transitions_total{from="BOOKED",to="CHECKED_IN"}': 1,
        'mediqon_refusals_total{code="slot_taken"}': 1,
    }
    assert {name: after.since(before, name) for name in told} == told


def test_what_is_done_together_is_counted_one_by_one() -> None:
    before, seats = Figures(metrics.exposition().decode()), 'mediqon_bookings_total{kind="seat"}'
    with metrics.counted_when_done():
        metrics.count_changes([("book", None, "BOOKED")] * 2)
        metrics.count_changes([("book", None, "BOOKED")])
    assert Figures(metrics.exposition().decode()).since(before, seats) == 3


@pytest.mark.anyio
async def test_what_is_rolled_back_is_not_counted() -> None:
    before = Figures(metrics.exposition().decode())

    def book_in_vain() -> None:
        with metrics.counted_when_done():
            metrics.count_changes([("book", None, "BOOKED")])
            raise LookupError

    with pytest.raises(LookupError):
        book_in_vain()
    assert Figures(metrics.exposition().decode()) == before


@pytest.mark.anyio
async def test_requests_are_timed_by_route_and_no_client_can_make_up_a_label(server: Server, clinic: Clinic) -> None:
    before = await figures(server)
    for number in range(5):
        await server.anybody.get(f"/no/such/path/{number}")
        await clinic.reception.get(f"/appointments/{900 + number}")
    await server.http.request("PROPFIND", "/health/live")
    after = await figures(server)
    visits = 'mediqon_http_requests_total{method="GET",route="/appointments/{appointment_id}",status="404"}'
    nowhere = 'mediqon_http_requests_total{method="GET",route="unmatched",status="404"}'
    timed = 'mediqon_http_request_duration_seconds_count{method="GET",route="/appointments/{appointment_id}"}'
    assert [after.since(before, name) for name in (visits, nowhere, timed)] == [5, 5, 5]
    assert not [name for name in after if "no/such" in name or "PROPFIND" in name or "/90" in name]


@pytest.mark.anyio
async def test_open_sockets_and_their_frames_are_counted(server: Server, clinic: Clinic) -> None:
    before = await figures(server)
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        await until(server, "mediqon_sockets_open", 1)
        await clinic.reception.walk_in(clinic.doctor_id)
        await screen.version(1)
    await until(server, "mediqon_sockets_open", 0)
    assert (await figures(server)).since(before, "mediqon_frames_sent_total") >= 2


@pytest.mark.anyio
async def test_a_lost_redis_and_what_the_sweep_mends_meanwhile_are_told(settings: Settings, clock: Clock) -> None:
    socket = Path(re.findall(r"@(.*)\?", settings.redis_url)[0])
    async with wire_to(socket) as (wire, sockets):
        behind = msgspec.structs.replace(
            settings, redis_url=settings.redis_url.replace(str(socket.parent), str(sockets))
        )
        async with serving(behind, clock) as here, serving(settings, clock) as there:
            clinic = await open_clinic(there)
            await until(here, "mediqon_bus_healthy", 1)
            before = await figures(here)
            assert 0 < before["mediqon_bus_seconds_sum"] < before["mediqon_bus_seconds_count"]  # less than a second
            async with here.watch(f"/live/queues/{clinic.doctor_id}") as screen:
                await screen.frame()
                wire.cut()
                await clinic.reception.walk_in(clinic.doctor_id)
                await screen.version(1)
            await until(here, "mediqon_sweep_repairs_total", before["mediqon_sweep_repairs_total"] + 1)


@pytest.mark.anyio
async def test_no_name_phone_or_address_is_in_any_label(server: Server, clinic: Clinic) -> None:
    patient = await server.patient("Erika Mustermann")
    await patient.book(clinic.doctor_id, reason="headache")
    text = (await server.http.get("/metrics")).text
    assert not re.search(r"Mustermann|headache|example\.org|Rao|St Mary|A-0", text)


@pytest.fixture
def crew() -> Iterator[Serve]:
    parent = Path(tempfile.mkdtemp(prefix="mq"))
    serve = Serve(parent / "data", "--port", "0", "--workers", "2")
    assert within(START_LIMIT_S, serve.answers), serve.said
    yield serve
    end_all(parent)
    serve.process.wait()
    rmtree(parent)


def asked(serve: Serve) -> Figures:
    with urllib.request.urlopen(f"{serve.url}/metrics", timeout=10) as answer:
        return Figures(answer.read().decode())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_two_workers_are_added_up_and_the_counts_of_one_that_died_stay(crew: Serve) -> None:
    live = 'mediqon_http_requests_total{method="GET",route="/health/live",status="200"}'
    workers = f'mediqon_workers{{version="{metrics.__version__}"}}'
    for _ in range(REQUESTS):
        urllib.request.urlopen(f"{crew.url}/health/live", timeout=10).close()
    assert within(COUNTED_S, lambda: asked(crew)[live] == REQUESTS)  # the last one as soon as it has been answered
    assert asked(crew)[workers] == 2
    assert {asked(crew)[live] for _ in range(10)} == {REQUESTS}
    victim = min(pid for pid, command in processes_of(crew.data_dir).items() if "mediqon.worker" in command)
    os.kill(victim, signal.SIGKILL)
    assert within(
        START_LIMIT_S, lambda: len([c for c in processes_of(crew.data_dir).values() if "mediqon.worker" in c]) == 2
    )
    assert within(START_LIMIT_S, lambda: asked(crew)[workers] == 2)
    assert asked(crew)[live] == REQUESTS


def named_metrics(text: str) -> set[str]:
    return set(re.findall(r"\bmediqon_\w+", text))


def test_the_dashboard_asks_only_for_metrics_that_exist_and_for_all_of_them() -> None:
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    exist = {family.name + suffix for family in families for suffix in suffixes[family.type]}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked_for = named_metrics(" ".join(target["expr"] for panel in panels for target in panel.get("targets", [])))
    assert asked_for <= exist
    families_asked_for = {re.sub("_(total|bucket|sum|count)$", "", name) for name in asked_for}
    assert families_asked_for == {family.name for family in families}
