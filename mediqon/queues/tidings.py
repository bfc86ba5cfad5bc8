"""What a patient's page says first: where you are in line, in a few words. Touches nothing."""

import re
from datetime import datetime

from mediqon.hospitals.slots import local_day
from mediqon.queues.models import Facts, Status, Visit

_NUMBERED = re.compile(r"[\dA-Z][\dA-Z-]{0,4}", re.IGNORECASE)

_OTHERWISE = {
    Status.ON_HOLD: ("On hold", "The staff will call you back into the line."),
    Status.COMPLETED: ("Your visit is complete", "Thank you for coming."),
    Status.NO_SHOW: ("You were called", "If you are here, please tell the reception."),
    Status.CANCELLED: ("Cancelled", "This visit will not take place."),
}


def tidings(facts: Facts, visit: Visit, ahead: int | None, *, now: datetime) -> tuple[str, str]:
    """A headline and a line of advice."""
    where = room_name(facts.room)
    if visit.status is Status.CALLED:
        return "It is your turn", f"Please go to {where}" if where else "Please come in"
    if visit.status is Status.IN_CONSULTATION:
        return "You are with the doctor", where
    if visit.status in _OTHERWISE:
        return _OTHERWISE[visit.status]
    if facts.day > local_day(now, facts.timezone):
        return "Booked", f"{facts.day:%A} {facts.day.day} {facts.day:%B}"
    return _place(ahead), _advice(facts, visit, ahead)


def room_name(room: str) -> str:
    """ "Room 3" for a room that is a number, the room's own words otherwise ("Ground floor, left")."""
    return f"Room {room}" if is_numbered(room) else room


def is_numbered(room: str) -> bool:
    """Whether a room is a number, such as 3 or B-12, and not words."""
    return _NUMBERED.fullmatch(room) is not None


def _place(ahead: int | None) -> str:
    if not ahead:
        return "You are next" if ahead == 0 else "Waiting"
    return "1 person ahead" if ahead == 1 else f"{ahead} people ahead"


def _advice(facts: Facts, visit: Visit, ahead: int | None) -> str:
    if visit.status is Status.CHECKED_IN:
        return "You are checked in. Please stay close by." if ahead == 0 else "You are checked in."
    if facts.settings.patient_check_in:
        return "Booked. Please check in when you arrive."
    return "Booked. Please check in at the reception when you arrive."
