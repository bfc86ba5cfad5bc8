"""A day's report as CSV: one row for each visit, no names. Touches nothing."""

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from mediqon.queues.report import Report

TIMES = ("scheduled_at", "booked_at", "checked_in_at", "called_at", "started_at", "ended_at")
HEADER = ("token", "kind", "status", "priority", *TIMES, "wait_minutes", "consultation_minutes")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(report: Report) -> str:
    """Times are the hospital's own, ISO 8601 with the offset; what has not come is empty."""
    zone = ZoneInfo(report.timezone)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for visit in report.visits:
        times = [_local(getattr(visit, column), zone) for column in TIMES]
        kind = "booked" if visit.booked else "walk-in"
        cells = (
            visit.token,
            kind,
            visit.status,
            visit.priority,
            *times,
            visit.wait_minutes,
            visit.consultation_minutes,
        )
        writer.writerow([guarded("" if cell is None else str(cell)) for cell in cells])
    return text.getvalue()


def guarded(cell: str) -> str:
    """The cell as text that no spreadsheet takes for a formula (OWASP, "CSV injection")."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds") if at else ""
