"""Clients book while workers, Valkey and PostgreSQL are killed and frozen: nothing acknowledged is lost or doubled."""

import sys
from datetime import date
from typing import Any

import pytest

from faults import history
from faults.campaign import campaign
from faults.faults import SHORT
from faults.history import Call

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PAUSE_SECONDS = 20.0
BEHIND_SECONDS = 5.0  # two of the sweep, one to reconnect, and what a busy machine adds
DAY = date(2026, 11, 23)


@pytest.mark.anyio
async def test_every_acknowledged_change_is_there_once_and_the_story_explains_the_table() -> None:
    result = await campaign(SHORT, seed=8)
    assert result.broken == []
    assert result.calls["ok"] > 20
    assert max(outcome.pause for outcome in result.outcomes) < PAUSE_SECONDS
    assert max(outcome.behind for outcome in result.outcomes) < BEHIND_SECONDS


def visit(number: int, **other: Any) -> dict[str, Any]:
    one = {"id": number, "name": f"V{number}", "token": f"A-W{number:02}", "status": "CHECKED_IN", "issued_by": 1}
    return one | {"doctor_id": 1, "day": DAY, "seat": None, "walk_in": number, "checked_in_at": DAY} | other


def call(outcome: str, number: int, **other: Any) -> Call:
    return Call(0, 1, outcome, "walk-in", f"V{number}", number, f"A-W{number:02}")._replace(**other)


def test_the_check_finds_what_is_lost_doubled_or_was_refused_and_is_there() -> None:
    calls = [call("ok", 1), call("ok", 2), call("refused", 3), call("unknown", 4), call("unknown", 5)]
    found = history.lost_or_doubled(calls, [visit(1), visit(3), visit(4), visit(4)])
    assert [words.split(",")[0] for words in found] == [
        "walk-in of V2 was ok",
        "walk-in of V3 was refused",
        "walk-in of V4 was unknown",
    ]


def test_the_check_finds_seats_and_tokens_given_twice() -> None:
    assert history.sold_twice([visit(1, seat=7), visit(2, seat=7)])
    assert history.sold_twice([visit(1), visit(2, token="A-W01")])
    cancelled = visit(2, seat=7, token="A-W01", status="CANCELLED", checked_in_at=None)
    assert not history.sold_twice([visit(1, seat=7), cancelled])


def test_the_check_finds_rows_that_no_story_explains_and_versions_without_an_event() -> None:
    event = {"doctor_id": 1, "day": DAY, "queue_version": 1, "appointment_id": 1, "from_status": None}
    came, called = event | {"to_status": "CHECKED_IN"}, event | {"from_status": "CHECKED_IN", "to_status": "CALLED"}
    assert not history.unexplained([], [visit(1)], [came])
    assert history.unexplained([], [visit(1)], [])
    assert history.unexplained([], [visit(1)], [came, called])
    assert history.unexplained([], [visit(1, status="CALLED")], [called])
    moved = call("ok", 1, verb="move", status="CALLED")
    assert history.unexplained([moved], [visit(1)], [came])
    assert not history.gaps([came], {}, {(1, DAY): 1})
    assert history.gaps([came], {}, {(1, DAY): 2})
    assert history.gaps([], {}, {(1, DAY): 1})
    assert not history.gaps([], {(1, DAY): 1}, {(1, DAY): 1})
