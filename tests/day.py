"""A day and its visits as values, for tests of rules and screens without a server."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from mediqon.hospitals.models import Policy
from mediqon.queues.models import Facts, PlaceRule, Priority, QueueState, Status, Visit

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


def a_visit(number: int = 1, **given: Any) -> Visit:
    """Booked for nine and here since, unless `given` says otherwise."""
    plain = Visit(
        id=number,
        patient_id=number,
        patient=f"Patient {number}",
        token=f"A-{number:03}",
        code=f"code{number}",
        status=Status.CHECKED_IN,
        priority=Priority.NORMAL,
        version=1,
        reason=None,
        due_at=NINE,
        place_rule=PlaceRule.SLOT,
        issued_by=1,
        seat=number,
        scheduled_at=NINE,
        booked_at=NINE,
        checked_in_at=NINE,
        called_at=None,
        started_at=None,
        ended_at=None,
    )
    return msgspec.structs.replace(plain, **given)


def a_day(version: int = 1, **given: Any) -> Facts:
    """Nobody is in line and there are no hours, unless `given` says otherwise."""
    plain = Facts(
        doctor_id=1,
        doctor="Dr A. Rao",
        room="3",
        slot_minutes=10,
        token_prefix="A",
        hospital_id=1,
        hospital="St Mary",
        timezone="Asia/Kolkata",
        settings=Policy(),
        day=date(2026, 11, 23),
        version=version,
        state=QueueState.OPEN,
        delay_minutes=0,
        delayed_at=None,
        paused_until=None,
        pause_reason=None,
        call_seq=0,
        hours=(),
        visits=[],
    )
    return msgspec.structs.replace(plain, **given)
