"""The languages of what patients read on their phones. The texts of a page lie beside it, one file per language."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

LANGUAGES = ("en", "hi", "es", "ar")
ACCEPTED_MAX = 20
"""So many of the languages in an `Accept-Language` are looked at."""


def spoken(asked: str, accepted: str) -> str:
    """The language asked for by name, else the first that the browser likes and we know (RFC 9110), else English."""
    wishes = [part.partition(";") for part in accepted.split(",")[:ACCEPTED_MAX]]
    wishes.sort(key=lambda wish: _weight(wish[2]), reverse=True)
    for name in (asked, *(wish[0] for wish in wishes if _weight(wish[2]))):
        if (short := name.strip().lower().partition("-")[0]) in LANGUAGES:
            return short
    return LANGUAGES[0]


def _weight(parameter: str) -> float:
    """Of `q=0.8`; 1 where nothing is said, 0 for nonsense."""
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name else 1.0
    except ValueError:
        return 0.0


@cache
def texts(page: str, language: str) -> dict[str, Any]:
    """The texts of a page: name → text, with places for values in braces; lists and groups of texts among them."""
    return msgspec.json.decode((Path(__file__).parent / page / "texts" / f"{language}.json").read_bytes())
