"""A clinic's own log: rows of a CSV file into sessions. Bad rows are left out and named."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from mediqon.queues.history import Kind

REQUIRED = ("doctor", "day", "start", "end")
OPTIONAL = ("slot", "check_in", "visit_type", "status")
DELIMITERS = ",;\t"
SESSION_GAP_MINUTES = 45.0
"""Who comes after such a gap does not stand in the same line: an afternoon after a morning."""
NEVER_CALLED = frozenset({"no_show", "noshow", "no-show", "cancelled", "canceled"})
KINDS = {"new": Kind.NEW, "first": Kind.NEW, "return": Kind.RETURN, "follow-up": Kind.RETURN, "followup": Kind.RETURN}


class LogError(Exception):
    """The file is no log at all; the message says why."""


class Row(NamedTuple):
    """One visit. Minutes since 1970; null where unknown. `start` null: was booked and never came."""

    doctor: str
    day: str
    start: float | None
    end: float | None
    slot: float | None
    check_in: float | None
    kind: Kind


class BadRow(msgspec.Struct, frozen=True):
    """Line 1 is the header."""

    line: int
    problem: str


class Log(NamedTuple):
    """Good rows in the order of the file, and the bad ones."""

    rows: list[Row]
    bad: list[BadRow]


class Visit(msgspec.Struct):
    """A visit of a session; `left`: when the doctor turned to something else, as far as anybody can know."""

    start: float
    end: float | None
    slot: float | None
    check_in: float | None
    kind: Kind
    left: float | None = None

    @property
    def minutes(self) -> float | None:
        return None if self.left is None else self.left - self.start


class Day(NamedTuple):
    """A doctor's day: its sessions in time order."""

    name: str
    sessions: list[list[Visit]]
    absent: list[float]
    """Slots of those who never came."""


def read_log(body: bytes) -> Log:
    """The rows of a CSV file: UTF-8, with or without BOM, columns in any order, comma, semicolon or tab between them.

    Raises LogError without the columns that it takes.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LogError("The file is not UTF-8 text.") from None
    text = text.lstrip()  # blank lines before the header
    header, _, _ = text.partition("\n")
    delimiter = max(DELIMITERS, key=header.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = {name: (name or "").strip().lower() for name in table.fieldnames or ()}
    missing = [column for column in REQUIRED if column not in names.values()]
    if missing:
        raise LogError(f"The header lacks {', '.join(missing)}; it needs {', '.join(REQUIRED)}.")
    return _read(table, names)


def _read(table: "csv.DictReader[str]", names: Mapping[str, str]) -> Log:
    log = Log([], [])
    known: set[Row] = set()
    try:
        for raw in table:
            cells = {names[name]: (cell or "").strip() for name, cell in raw.items() if name in names}
            try:
                row = _row(cells, surplus=None in raw)
                if row in known:
                    raise ValueError("is there twice")
                known.add(row)
                log.rows.append(row)
            except (ValueError, OverflowError) as problem:
                log.bad.append(BadRow(table.line_num, str(problem)))
    except csv.Error as problem:
        raise LogError(f"Line {table.line_num}: {problem}.") from None
    return log


def _row(cells: Mapping[str, str], *, surplus: bool) -> Row:
    if surplus:
        raise ValueError("has more cells than the header")
    for column in ("doctor", "day"):
        if not cells[column]:
            raise ValueError(f"{column} is empty")
    start, end, slot, check_in = (_instant(cells, column) for column in ("start", "end", "slot", "check_in"))
    never = cells.get("status", "").lower() in NEVER_CALLED
    if start is None and not (never and slot is not None):
        raise ValueError("start is empty")
    if start is not None and end is not None and end < start:
        raise ValueError(f"end {cells['end']} is before start {cells['start']}")
    kind = KINDS.get(cells.get("visit_type", "").lower(), Kind.ANY)
    return Row(cells["doctor"], cells["day"], start, end, slot, check_in, kind)


def _instant(cells: Mapping[str, str], column: str) -> float | None:
    """Minutes since 1970; an instant without offset counts as UTC."""
    text = cells.get(column, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{column} {text!r} is not an ISO instant") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() / 60


def doctors_days(rows: Iterable[Row]) -> dict[str, list[Day]]:
    """Each doctor's days in time order, whatever the order of the rows."""
    days: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        days.setdefault((row.doctor, row.day), []).append(row)
    found: dict[str, list[tuple[float, Day]]] = {}
    for (doctor, name), group in days.items():
        started = sorted((row for row in group if row.start is not None), key=lambda row: (row.start, row.end or 0.0))
        if started:
            absent = [row.slot for row in group if row.start is None and row.slot is not None]
            found.setdefault(doctor, []).append((started[0].start or 0.0, Day(name, _sessions(started), absent)))
    return {doctor: [day for _, day in sorted(each, key=lambda pair: pair[0])] for doctor, each in found.items()}


def _sessions(rows: Sequence[Row]) -> list[list[Visit]]:
    """Visits in order of start, cut where nobody was seen for long; a visit ends at the latest when the next begins."""
    sessions: list[list[Visit]] = []
    busy_until = 0.0
    for row in rows:
        start = row.start or 0.0
        if not sessions or start - busy_until > SESSION_GAP_MINUTES:
            sessions.append([])
        elif sessions[-1][-1].left is not None:
            sessions[-1][-1].left = min(sessions[-1][-1].left, start)
        sessions[-1].append(Visit(start, row.end, row.slot, row.check_in, row.kind, row.end))
        busy_until = start if row.end is None else min(row.end, start + SESSION_GAP_MINUTES)
    return sessions
