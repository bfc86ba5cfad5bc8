"""Doctors and their hours as a CSV file, read and checked. Touches nothing.

The header row names the columns, in any order and case: `name`, `email`, `days`, `start` and `end` must be there,
`specialty`, `room`, `token_prefix`, `slot_minutes` and `capacity` may be. Each row is one window of hours; rows with
the same e-mail address are one doctor, and an empty cell says nothing. `days` is `Mon-Fri`, `Mon,Wed` or `0-4`. UTF-8,
with or without a byte order mark; the header tells whether `,` or `;` stands between cells.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from mediqon.fields import Capacity, Clock, Email, EndClock, Line, Name, SlotMinutes, TokenPrefix
from mediqon.hospitals.models import DoctorChange, Window

COLUMNS: Mapping[str, tuple[Any, str]] = {
    "name": (Name, "a name of up to 120 characters"),
    "email": (Email, "an e-mail address"),
    "specialty": (Line, "a text of up to 120 characters"),
    "room": (Line, "a text of up to 120 characters"),
    "token_prefix": (TokenPrefix, "one to four capital letters or digits"),
    "slot_minutes": (SlotMinutes, "a number of minutes from 1 to 240"),
    "days": (str, "like Mon-Fri, Mon,Wed or 0-4 (0 is Monday)"),
    "start": (Clock, "a time like 09:00"),
    "end": (EndClock, "a time like 13:00"),
    "capacity": (Capacity, "a number of patients from 1 to 20"),
}
"""The bounds of each, the same as over HTTP, and what a cell should be, in words."""
REQUIRED = ("name", "email", "days", "start", "end")
ABOUT_DOCTOR = ("name", "specialty", "room", "token_prefix", "slot_minutes")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DOCTORS_MAX = 100
"""In one file: each new one costs 40 ms for the password."""
ERRORS_MAX = 500


class LineError(msgspec.Struct, frozen=True):
    """What is wrong on a line of the file, from 1; an empty `field` is the line as a whole."""

    line: int
    field: str
    message: str


class Listed(NamedTuple):
    """One doctor of the file: the first line, what is said of them (`name` and `email` always), their week."""

    line: int
    about: DoctorChange
    windows: list[Window]


class DoctorsFile(NamedTuple):
    """What a file holds, and all that is wrong with it, line by line; use the doctors only without errors."""

    doctors: list[Listed]
    errors: list[LineError]


class _Row(NamedTuple):
    line: int
    values: dict[str, Any]
    days: list[int]

    def windows(self) -> list[Window]:
        capacity = self.values.get("capacity", 1)
        return [Window(day, self.values["start"], self.values["end"], capacity) for day in self.days]


def read(body: bytes) -> DoctorsFile:
    """The doctors of a file, in the order of their first lines."""
    errors: list[LineError] = []
    doctors: dict[str, list[_Row]] = {}
    for line, cells in _lines(body, errors):
        row = _row(line, cells, errors)
        if row is not None:
            doctors.setdefault(row.values["email"], []).append(row)
    if not doctors and not errors:
        errors.append(LineError(1, "", "holds no doctor: the first line names the columns, each other one is hours"))
    if len(doctors) > DOCTORS_MAX:
        errors.append(LineError(1, "", f"holds more than {DOCTORS_MAX} doctors: make several files of it"))
    listed = [_doctor(rows, errors) for rows in doctors.values()]
    return DoctorsFile(listed, sorted(dict.fromkeys(errors), key=lambda error: error.line)[:ERRORS_MAX])


def _lines(body: bytes, errors: list[LineError]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row below the header that is not empty, with the number of its first line."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        errors.append(LineError(body.count(b"\n", 0, error.start) + 1, "", "is not UTF-8: save the file as CSV UTF-8"))
        return
    first = text.lstrip().partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    try:
        for row in reader:
            started, line = line, reader.line_num + 1
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not header:
                header = ",".join(cells).lower().rstrip(",").split(",")
                errors.extend(wrong := _header_errors(started, header))
                if wrong:
                    return
            elif any(cells[len(header) :]):
                errors.append(
                    LineError(started, "", f"has more cells than the header: is one with {delimiter} unquoted?")
                )
            else:
                yield started, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        errors.append(LineError(line, "", f"cannot be read as CSV: {error}"))


def _header_errors(line: int, header: list[str]) -> list[LineError]:
    unknown = [LineError(line, name, "is not a column of this file") for name in header if name not in COLUMNS]
    doubled = [LineError(line, name, "is there twice") for name in COLUMNS if header.count(name) > 1]
    missing = [LineError(line, name, "is a column that must be there") for name in REQUIRED if name not in header]
    return unknown + doubled + missing


def _row(line: int, cells: Mapping[str, str], errors: list[LineError]) -> _Row | None:
    """The values of a row, each within its bounds; None, and every error, where one is not."""
    values: dict[str, Any] = {}
    wrong: list[LineError] = []
    for column, (_, expected) in COLUMNS.items():
        text = cells.get(column, "")
        try:
            if text:
                values[column] = _value(column, text)
            elif column in REQUIRED:
                wrong.append(LineError(line, column, "is missing"))
        except ValueError:
            wrong.append(LineError(line, column, f"is not {expected}"))
    if not wrong and values["end"] <= values["start"]:
        wrong.append(LineError(line, "end", "is not after start"))
    errors.extend(wrong)
    return None if wrong else _Row(line, values, values.pop("days"))


def _value(column: str, text: str) -> Any:
    """What a cell says. Raises ValueError."""
    if column == "days":
        return weekdays(text)
    if column in {"start", "end"} and re.fullmatch(r"\d:\d\d|\d?\d:\d\d:00", text):
        text = text.removesuffix(":00") if text.count(":") == 2 else text
        text = text.rjust(5, "0")  # 9:00 and 09:00:00 are how spreadsheets write it
    if column == "email":
        text = text.lower()
    return msgspec.convert(text, COLUMNS[column][0], strict=False)


def weekdays(text: str) -> list[int]:
    """`Mon-Fri`, `Mon,Wed`, `0-4`, `Sat-Mon`: which days, 0 is Monday. Raises ValueError."""
    days: set[int] = set()
    for part in re.split(r"[,;/\s]+", re.sub(r"\s*[-–]\s*", "-", text.strip())):
        first, dash, last = part.partition("-")
        start = _weekday(first)
        length = (_weekday(last) - start) % 7 + 1 if dash else 1
        days |= {(start + offset) % 7 for offset in range(length)}
    return sorted(days)


def _weekday(text: str) -> int:
    if re.fullmatch(r"[0-6]", text):
        return int(text)
    for number, name in enumerate(WEEKDAYS):
        if len(text) >= 2 and name.startswith(text.lower()):
            return number
    raise ValueError(f"{text!r} is no day of the week")


def _doctor(rows: list[_Row], errors: list[LineError]) -> Listed:
    """One doctor of all the rows with that address: they may not contradict each other, nor their hours overlap."""
    about: dict[str, Any] = {"email": rows[0].values["email"]}
    for row in rows:
        for column in ABOUT_DOCTOR:
            value = row.values.get(column)
            if value is not None and about.setdefault(column, value) != value:
                message = f"is another one than on an earlier line for {about['email']}"
                errors.append(LineError(row.line, column, message))
    placed = sorted(
        ((row.line, window) for row in rows for window in row.windows()),
        key=lambda each: (each[1].weekday, each[1].start),
    )
    for (line, window), (other_line, following) in pairwise(placed):
        if window.runs_into(following):
            errors.append(
                LineError(max(line, other_line), "start", f"overlaps the hours of line {min(line, other_line)}")
            )
    return Listed(rows[0].line, DoctorChange(**about), [window for _, window in placed])
