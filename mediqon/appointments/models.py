"""What a booking may ask for, and what comes of what somebody asks for."""

import datetime
from typing import NamedTuple

import msgspec

from mediqon.fields import Clock, Id, Name, Phone, Reason
from mediqon.live.channels import Appointment
from mediqon.queues.models import Facts, Priority
from mediqon.queues.views import appointment, outlook_on


class SomebodyElse(msgspec.Struct, forbid_unknown_fields=True):
    """A patient without an account, entered at the desk."""

    name: Name
    phone: Phone | None = None


class Booking(msgspec.Struct, forbid_unknown_fields=True):
    """Left out, `date` is today and `time` the next free slot. `patient` is for the hospital only."""

    doctor_id: Id
    date: datetime.date | None = None
    time: Clock | None = None
    reason: Reason | None = None
    patient: SomebodyElse | None = None


class WalkIn(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody who is here without a slot."""

    doctor_id: Id
    patient: SomebodyElse
    priority: Priority = Priority.NORMAL
    reason: Reason | None = None


class OwnAppointments(msgspec.Struct, frozen=True):
    appointments: list[Appointment]


class Done(NamedTuple):
    """The day after what somebody asked for, the visit it was about, and as of when all who share the day are told."""

    facts: Facts
    visit_id: int
    at: datetime.datetime

    @property
    def appointment(self) -> Appointment:
        """The visit as its answer tells it."""
        return appointment(outlook_on(self.facts, self.at), self.facts.visit(self.visit_id))
