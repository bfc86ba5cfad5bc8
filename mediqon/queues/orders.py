"""What people ask of a doctor's day, and what comes of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import Problem
from mediqon.live.channels import Appointment
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.views import appointment, outlook_on
from mediqon.queues.writing import Written


class Days(Protocol):
    """The days that somebody works on."""

    async def find(self, asked: Sequence[tuple[int, Actor]], /) -> list[DayKey | None]:
        """The days of several visits; None for one that is not there or not its actor's to see."""
        ...

    async def take(self, keys: Iterable[DayKey], /) -> dict[DayKey, Facts]:
        """Gets days to work on; one that cannot be had right now is left out. Raises NotFound or Malformed."""
        ...


class Order(Protocol):
    """What somebody asks for; `key` is the day, as far as that is known from the start."""

    @property
    def key(self) -> DayKey | None: ...
    @property
    def now(self) -> datetime: ...


class Told(Protocol):
    """The day after what somebody asked for, and what they are answered."""

    @property
    def facts(self) -> Facts: ...
    @property
    def answer(self) -> Any: ...


class Done(NamedTuple):
    """Told of one visit; `at`: as of when all who share the day are told."""

    facts: Facts
    visit_id: int
    at: datetime

    @property
    def answer(self) -> Appointment:
        """The visit as its answer tells it."""
        return appointment(outlook_on(self.facts, self.at), self.facts.visit(self.visit_id))


class Plan(NamedTuple):
    """What comes of each order, once the changes are saved with the visits that are `booked`."""

    outcomes: Sequence[Told | Problem]
    changes: Sequence[Written]
    booked: Sequence[Mapping[str, object]] = ()


OrderT = TypeVar("OrderT", bound=Order)
Order_contra = TypeVar("Order_contra", bound=Order, contravariant=True)


class Work(Protocol[Order_contra]):
    """Works out what is asked for, in order, on the days that it takes; a refusal stands in the place of what is
    refused, DayBusy where a day cannot be had. Writes nothing.

    Where it raises a Problem, or saving the plan raises what the database refuses, nobody is served; each is then asked
    for alone. `sure` for days that are locked: what else the database might refuse is looked up first, since whoever is
    refused would have to wait for the lock again.
    """

    async def __call__(
        self, conn: Connection, orders: Sequence[Order_contra], days: Days, /, *, sure: bool
    ) -> Plan: ...
