"""The expected time in a few numbers, for the sentence that explains it. Touches nothing."""

from zoneinfo import ZoneInfo

from mediqon.queues.shown import NEXT_MINUTES, Reason, instant


def in_numbers(reason: Reason, timezone: str) -> str:
    """As `3 ahead × 12 min + 4 min left + break 15, if the doctor starts at about 09:12.`"""
    parts: list[str] = []
    if reason.ahead:
        parts.append(f"{reason.ahead} ahead × {reason.each} min")
    if reason.left:
        parts.append(f"{reason.left} min left")
    if reason.rests:
        parts.append(f"break {reason.rests}")
    if reason.begins:
        start = instant(reason.begins).astimezone(ZoneInfo(timezone))
        return f"{' + '.join(parts) or 'First'}, if the doctor starts at about {start:%H:%M}."
    if reason.ahead * reason.each + reason.left + reason.rests < NEXT_MINUTES:
        return "You are next."
    return f"{' + '.join(parts)}."
