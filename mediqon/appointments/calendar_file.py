"""A visit as a calendar entry, RFC 5545. Touches nothing."""

import hashlib
from datetime import datetime, timedelta

from mediqon.queues.models import Facts, Status, Visit

LINE_OCTETS = 74
"""Longer lines are folded; with the blank that starts the next one, 75 are allowed."""


def entry(facts: Facts, visit: Visit, *, link: str, now: datetime) -> str:
    """The calendar file of a booked visit; `link` is its page. The times are UTC, as every calendar understands."""
    start = visit.scheduled_at or visit.due_at
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Mediqon//Visit//EN",
        "BEGIN:VEVENT",
        f"UID:{hashlib.sha256(visit.code.encode()).hexdigest()[:32]}@mediqon",
        f"DTSTAMP:{_instant(now)}",
        f"DTSTART:{_instant(start)}",
        f"DTEND:{_instant(start + timedelta(minutes=facts.slot_minutes))}",
        f"SEQUENCE:{visit.version}",
        f"STATUS:{'CANCELLED' if visit.status is Status.CANCELLED else 'CONFIRMED'}",
        f"SUMMARY:{_text(f'{visit.token}, {facts.doctor}')}",
        f"LOCATION:{_text(', '.join(filter(None, (facts.hospital, facts.room))))}",
        f"DESCRIPTION:{_text(f'Follow your place in line: {link}')}",
        f"URL:{link}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _instant(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return text


def _folded(line: str) -> str:
    """Counted in octets, never inside a character."""
    folded, width = "", 0
    for character in line:
        octets = len(character.encode())
        if width + octets > LINE_OCTETS:
            folded, width = f"{folded}\r\n ", 0
        folded, width = folded + character, width + octets
    return folded
