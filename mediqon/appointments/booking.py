"""Selling seats to those who wait, together. Refusals are told to each alone."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from mediqon.appointments.codes import new_code
from mediqon.appointments.entries import entry
from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, Role
from mediqon.database import Connection, statements
from mediqon.errors import (
    AlreadyBooked,
    DayFull,
    NotFound,
    Problem,
    QueueClosed,
    SlotPast,
    SlotTaken,
    SlotUnavailable,
)
from mediqon.fields import HORIZON_DAYS_MAX
from mediqon.hospitals import calendar
from mediqon.hospitals.slots import Sale, Seat, Sold, clock, grid, instant, local_day, minute_of
from mediqon.queues import writing
from mediqon.queues.days import DayBusy
from mediqon.queues.models import OVER, DayKey, Facts, PlaceRule, Priority, QueueState, Status, Visit
from mediqon.queues.orders import Days, Done, Plan
from mediqon.queues.writing import Change, Step

SQL = statements("appointments")


class Order(NamedTuple):
    """What one booking asks for. `somebody` has no account: the desk books; otherwise it is for the actor."""

    key: DayKey
    time: str | None
    reason: str | None
    somebody: SomebodyElse | None
    actor: Actor
    now: datetime


class Draft(NamedTuple):
    """A seat that is about to be sold."""

    order: Order
    seat: Seat
    token: str
    code: str


class Again(NamedTuple):
    """A second order of somebody whose first, of the same row, is about to be served."""

    first: Draft


async def plan(conn: Connection, orders: Sequence[Order], days: Days, *, sure: bool) -> Plan:
    """What to write to sell a seat to each, in order; a refusal stands in the place of the one refused.

    Refusals: SlotPast, AlreadyBooked (with its id), SlotTaken (with `next_free`), SlotUnavailable, DayFull,
    QueueClosed, NotFound; DayBusy for a day that cannot be had. Saving raises UniqueViolationError where a seat had
    gone with a visit to another doctor; when `sure`, these are looked up first.
    """
    taken = await days.take({order.key for order in orders if never_sold(order.key.day, order.now) is None})
    now = max(order.now for order in orders)
    stocks = {key: await _stock(conn, facts, now, sure=sure) for key, facts in taken.items()}
    drafts = [_draft(order, stocks) for order in orders]
    booked = await _entered(conn, [draft for draft in drafts if isinstance(draft, Draft)])
    sales: dict[DayKey, list[Step]] = {}
    for draft, visit in booked.values():
        sale = Step([Change(verb="book", after=visit, actor=draft.order.actor)])
        sales.setdefault(draft.order.key, []).append(sale)
    written = {key: writing.written(taken[key], *steps, actor=None, now=now) for key, steps in sales.items()}
    after = {key: each.facts for key, each in written.items()}
    for key, facts in after.items():
        _keep(stocks[key], facts)
    return Plan(
        [_outcome(draft, booked, after, now) for draft in drafts],
        [*written.values()],
        [entry(visit, taken[draft.order.key], draft.order.somebody) for draft, visit in booked.values()],
    )


async def _entered(conn: Connection, drafts: Sequence[Draft]) -> dict[str, tuple[Draft, Visit]]:
    """The visits of these drafts by their codes, but for those whose account is gone."""
    accounts = [draft.order.actor.id if draft.order.somebody is None else None for draft in drafts]
    rows = await conn.fetch(SQL.reserve_visits, accounts) if drafts else []
    entered: dict[str, tuple[Draft, Visit]] = {}
    for draft, row in zip(drafts, rows, strict=True):
        somebody = draft.order.somebody
        name = somebody.name.strip() if somebody else row["name"]
        if name is not None:
            entered[draft.code] = draft, _visit(draft, row["id"], row["patient_id"], name)
    return entered


def _draft(order: Order, stocks: "dict[DayKey, Stock]") -> Draft | Again | Problem:
    if stock := stocks.get(order.key):
        return stock.draft(order)
    return never_sold(order.key.day, order.now) or DayBusy(order.key)


class Stock:
    """What can still be sold of one locked day: for a row of people, then for the next if nothing else has changed."""

    def __init__(self, facts: Facts, sold: Iterable[Sold]) -> None:
        self.facts = facts
        self._sale = Sale(grid(facts.day, facts.timezone, facts.slot_minutes, facts.hours), sold)
        self._open = {visit.patient_id: visit.id for visit in facts.visits if visit.status not in OVER}
        self._served: dict[int, Draft] = {}
        self._taken = 0

    def begin(self, now: datetime) -> None:
        """The next row comes."""
        facts = self.facts
        too_far = calendar.past_horizon(facts.day, facts.timezone, facts.settings, now)
        self._sale.go_on(since=now, closed=too_far)
        self._served.clear()
        self._taken = 0

    def has_sold(self, facts: Facts) -> bool:
        """The day is now like this; false where a seat that was put aside has not been sold."""
        visits = facts.visits[len(self.facts.visits) :]
        self.facts = facts
        self._open |= {visit.patient_id: visit.id for visit in visits}
        return len(visits) == self._taken

    def draft(self, order: Order) -> Draft | Again | Problem:
        """A seat put aside for this order, or why there is none."""
        if order.somebody is None and order.actor.id in self._served:
            return Again(self._served[order.actor.id])
        try:
            seat = self._seat(order)
        except Problem as problem:
            return problem
        token = calendar.token_label(self.facts.token_prefix, seat.number)
        draft = Draft(order, seat, token, new_code())
        if order.somebody is None:
            self._served[order.actor.id] = draft
        return draft

    def _seat(self, order: Order) -> Seat:
        facts = self.facts
        if order.actor.role is Role.HOSPITAL and order.actor.hospital_id != facts.hospital_id:
            raise NotFound("There is no such doctor.")
        refuse_past(facts.timezone, facts.day, order.time, order.now)
        if facts.state is QueueState.CLOSED:
            raise QueueClosed
        self._refuse_second(order)
        seat = choose_seat(self._sale, order.time)
        self._sale.take(seat)
        self._taken += 1
        return seat

    def _refuse_second(self, order: Order) -> None:
        if order.somebody is None and order.actor.id in self._open:
            raise already_booked(self._open[order.actor.id])


_stocks: OrderedDict[DayKey, Stock] = OrderedDict()
"""Of the days that were sold last, in this process."""
STOCKS_MAX = 512


async def _stock(conn: Connection, facts: Facts, now: datetime, *, sure: bool) -> Stock:
    stock = _stocks.pop(facts.key, None)
    if stock is None or stock.facts is not facts or sure:
        stock = Stock(facts, await _sold(conn, facts, sure=sure))
    stock.begin(now)
    return stock


def _keep(stock: Stock, facts: Facts) -> None:
    """For whoever books next; if what has been written is not committed, nobody will meet these facts again."""
    if stock.has_sold(facts):
        _stocks[facts.key] = stock
        if len(_stocks) > STOCKS_MAX:
            _stocks.popitem(last=False)


async def _sold(conn: Connection, facts: Facts, *, sure: bool) -> list[Sold]:
    """The seats that are gone: those of the day's own visits and, when `sure`, those that left with a transfer."""
    if sure:
        return [Sold(*row) for row in await conn.fetch(statements("hospitals").sold_seats, *facts.key)]
    return [
        Sold(visit.seat, visit.scheduled_at)
        for visit in facts.visits
        if visit.issued_by == facts.doctor_id
        and visit.seat is not None
        and visit.scheduled_at is not None
        and (visit.status is not Status.CANCELLED or visit.checked_in_at is not None)
    ]


def _visit(draft: Draft, visit_id: int, patient_id: int, name: str) -> Visit:
    return Visit(
        id=visit_id,
        patient_id=patient_id,
        patient=name,
        token=draft.token,
        code=draft.code,
        status=Status.BOOKED,
        priority=Priority.NORMAL,
        version=1,
        reason=draft.order.reason,
        due_at=draft.seat.at,
        place_rule=PlaceRule.SLOT,
        issued_by=draft.order.key.doctor_id,
        seat=draft.seat.number,
        scheduled_at=draft.seat.at,
        booked_at=draft.order.now,
        checked_in_at=None,
        called_at=None,
        started_at=None,
        ended_at=None,
    )


def _outcome(
    draft: Draft | Again | Problem,
    booked: dict[str, tuple[Draft, Visit]],
    after: dict[DayKey, Facts],
    now: datetime,
) -> Done | Problem:
    if isinstance(draft, Problem):
        return draft
    first = draft.first if isinstance(draft, Again) else draft
    if first.code not in booked:
        return NotFound("There is no such account any more.")
    _, visit = booked[first.code]
    return already_booked(visit.id) if isinstance(draft, Again) else Done(after[draft.order.key], visit.id, now)


def already_booked(visit_id: int) -> AlreadyBooked:
    """The refusal that names the open visit."""
    return AlreadyBooked(id=visit_id, appointment_id=visit_id)


def never_sold(day: date, now: datetime) -> SlotPast | DayFull | None:
    """The refusal of a day that no hospital sells, in whatever timezone: a day that is locked gets a row."""
    if day < now.date() - timedelta(days=1):
        return SlotPast()
    if day > now.date() + timedelta(days=HORIZON_DAYS_MAX + 1):
        return DayFull()
    return None


def refuse_past(timezone: str, day: date, time: str | None, now: datetime) -> None:
    """Raises SlotPast for a day or a time that is over."""
    if day < local_day(now, timezone):
        raise SlotPast
    at = time and instant(day, minute_of(time), timezone)
    if at and at < now:
        raise SlotPast


def choose_seat(sale: Sale, time: str | None) -> Seat:
    """The free seat at that time, or the first of the day. Raises SlotTaken, SlotUnavailable or DayFull."""
    if time is None:
        seat = next(sale.free(), None)
        if seat is None:
            raise DayFull
        return seat
    minute = minute_of(time)
    if free := sale.at(minute):
        return free[0]
    refusal = SlotTaken if minute in sale.grid.by_minute else SlotUnavailable
    raise refusal(next_free=_next_free(sale, minute))


def _next_free(sale: Sale, minute: int) -> str | None:
    """The first free time after the one asked for, else the first of the day; null when the day is full."""
    free = list(sale.free())
    later = [seat for seat in free if seat.minute > minute] or free
    return clock(later[0].minute) if later else None
