"""The sentence that explains a place in line, and the expected time in a few numbers. Touches nothing."""

from functools import lru_cache
from zoneinfo import ZoneInfo

from mediqon.queues.models import PlaceRule, Priority, Status, Visit
from mediqon.queues.shown import NEXT_MINUTES, Reason, instant


def in_numbers(reason: Reason, timezone: str) -> str:
    """As `3 ahead × 12 min + 4 min left + break 15, if the doctor starts at about 09:12.`"""
    parts: list[str] = []
    if reason.ahead:
        parts.append(f"{reason.ahead} ahead × {reason.each} min")
    if reason.left:
        parts.append(f"{reason.left} min left")
    if reason.rests:
        parts.append(f"break {reason.rests}")
    if reason.begins:
        start = _clock(reason.begins, timezone)
        return f"{' + '.join(parts) or 'First'}, if the doctor starts at about {start}."
    if reason.ahead * reason.each + reason.left + reason.rests < NEXT_MINUTES:
        return "You are next."
    return f"{' + '.join(parts)}."


@lru_cache(maxsize=1024)
def _clock(minute: int, timezone: str) -> str:
    """A minute since 1970 as a clock at the hospital shows it: the same for everybody in a line."""
    return f"{instant(minute).astimezone(ZoneInfo(timezone)):%H:%M}"


def sentence(visit: Visit, ahead: int | None, reason: Reason | None, timezone: str, *, public: bool) -> str:
    """Why a visit stands where it does; `ahead` is null out of line. The `public` one never speaks of priority."""
    if ahead is None:
        return _AFTERWARDS[visit.status]
    numbers = f" {in_numbers(reason, timezone)}" if reason else ""
    people = f"{_people(ahead)} before this one.{numbers}"
    if visit.status is Status.BOOKED:
        return f"Booked; {people} The place is held until the slot and a little after."
    if visit.priority is Priority.EMERGENCY and not public:
        return "An emergency goes to the front of the line."
    if visit.priority is Priority.PRIORITY and not public:
        return f"Brought forward once by priority; {people}"
    return f"{_PLACES[visit.place_rule]}; {people}"


_PLACES = {
    PlaceRule.SLOT: "Here and in line by booked time",
    PlaceRule.LATE: "Here, but too late for the slot: in line as a walk-in from arrival on",
    PlaceRule.WALK_IN: "Here and in line as a walk-in, behind those booked for this time",
    PlaceRule.RETURNED: "Back in line after a hold",
    PlaceRule.MOVED: "Put here by the desk",
}


_AFTERWARDS = {
    Status.BOOKED: "Booked.",
    Status.CHECKED_IN: "Here and in line.",
    Status.CALLED: "Called: please go in.",
    Status.IN_CONSULTATION: "With the doctor.",
    Status.ON_HOLD: "On hold: back in line after a word with the desk.",
    Status.COMPLETED: "Seen by the doctor.",
    Status.NO_SHOW: "Marked as not come; the desk can put it back in line.",
    Status.CANCELLED: "Cancelled.",
}


def _people(count: int) -> str:
    return "nobody goes" if count == 0 else "1 person goes" if count == 1 else f"{count} people go"
