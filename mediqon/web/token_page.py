"""The phone page with a visit already in it: readable before any script runs, and without one."""

import re
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

import msgspec

from mediqon.live.channels import TokenView
from mediqon.queues.tidings import room_name

STEP = timedelta(minutes=5)


def filled(page: str, view: TokenView, *, code: str, now: datetime) -> str:
    """The page's parts filled with `view`, as of `now`; it says itself from when that is."""
    page = page.replace('data-part="visit" data-status="" hidden', f'data-part="visit" data-status="{view.status}"')
    page = page.replace('data-part="notice"', 'data-part="notice" hidden', 1)
    page = page.replace('data-view=""', f'data-view="{escape(msgspec.json.encode(view).decode())}"', 1)
    page = page.replace('data-at=""', f'data-at="{now.isoformat()}"', 1)
    page = page.replace('rel="manifest" href=""', f'rel="manifest" href="/t/{escape(code)}/manifest"', 1)
    words = _words(view, now)
    return re.sub(
        rf'(data-part="({"|".join(words)})"[^>]*>)[^<]*', lambda found: found[1] + escape(words[found[2]]), page
    )


def _words(view: TokenView, now: datetime) -> dict[str, str]:
    """What the script would write into each part."""
    zone = ZoneInfo(view.timezone)
    today = now.astimezone(zone).date() == view.date
    return {
        "hospital": view.hospital,
        "live": f"Showing {now.astimezone(zone):%H:%M}",
        "token": view.token,
        "headline": view.headline,
        "advice": view.advice,
        "about": f"about {_clock(view.expected_at, zone, 0.5)}" if view.expected_at else "",
        "range": _range(view, zone),
        "be-here": f"Be here by {view.be_here_by.astimezone(zone):%H:%M}" if view.be_here_by else "",
        "doctor": view.doctor.name,
        "room": room_name(view.doctor.room),
        "serving": ", ".join(view.now_serving) or "nobody yet",
        "day": "Today" if today else f"{view.date:%A} {view.date.day} {view.date:%B}",
        "why": view.why,
    }


def _range(view: TokenView, zone: ZoneInfo) -> str:
    if view.expected_from is None or view.expected_to is None:
        return ""
    return f"({_clock(view.expected_from, zone, 0)}–{_clock(view.expected_to, zone, 0.999)})"


def _clock(at: datetime, zone: ZoneInfo, up: float) -> str:
    """In steps of five minutes: down for `up` 0, to the nearest for 0.5, up for almost 1."""
    steps = int(at.timestamp() / STEP.total_seconds() + up)
    return f"{datetime.fromtimestamp(steps * STEP.total_seconds(), zone):%H:%M}"
