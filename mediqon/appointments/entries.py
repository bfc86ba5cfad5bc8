"""A visit that is new to a day, as `writing.save` enters it."""

from mediqon.appointments.models import SomebodyElse
from mediqon.queues.models import Facts, Visit


def entry(
    visit: Visit, facts: Facts, somebody: SomebodyElse | None, *, walk_in: int | None = None
) -> dict[str, object]:
    """Its row; `somebody` has no account and is entered too. `walk_in`: its number, where it has no seat."""
    return {
        "id": visit.id,
        "hospital_id": facts.hospital_id,
        "doctor_id": facts.doctor_id,
        "day": facts.day,
        "patient_id": visit.patient_id,
        "name": somebody and visit.patient,
        "phone": somebody and somebody.phone,
        "seat": visit.seat,
        "walk_in": walk_in,
        "token": visit.token,
        "code": visit.code,
        "status": visit.status,
        "priority": visit.priority,
        "reason": visit.reason,
        "due_at": visit.due_at,
        "place_rule": visit.place_rule,
        "scheduled_at": visit.scheduled_at,
        "booked_at": visit.booked_at,
        "checked_in_at": visit.checked_in_at,
    }
