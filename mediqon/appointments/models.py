"""What a booking may ask for."""

import datetime

import msgspec

from mediqon.fields import Clock, Id, Name, Phone, Reason
from mediqon.live.channels import Appointment
from mediqon.queues.models import Priority


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
