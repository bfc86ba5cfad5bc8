"""The phone page in its reader's language, with a visit already in it: readable before any script, and without one."""

import re
from datetime import datetime
from functools import cache
from html import escape

import msgspec

from mediqon.live.channels import TokenView
from mediqon.web.languages import texts
from mediqon.web.token_words import Words


@cache
def worded(page: str, language: str) -> str:
    """The page in this language, with the texts for its script."""
    words = texts("token", language)
    page = page.replace('<html lang="en">', f'<html lang="{language}" dir="{words["dir"]}">', 1)
    page = page.replace(f'hreflang="{language}"', f'hreflang="{language}" aria-current="true"', 1)
    page = page.replace('data-texts=""', f'data-texts="{escape(msgspec.json.encode(words).decode())}"', 1)
    page = re.sub(r'(data-word="(\w+)"[^>]*>)[^<]*', lambda found: found[1] + escape(words[found[2]]), page)
    page = re.sub(
        r'aria-label="[^"]*" data-label="(\w+)"', lambda found: f'aria-label="{escape(words[found[1]])}"', page
    )
    return noticed(page, words["one_moment"])


def noticed(page: str, notice: list[str]) -> str:
    """The page with this title and text where there is no visit to show."""
    return _parts(page, dict(zip(("notice-title", "notice-text"), notice, strict=True)))


def filled(page: str, view: TokenView, language: str, *, code: str, now: datetime) -> str:
    """A worded page's parts filled with `view`, as of `now`; it says itself from when that is."""
    page = page.replace('data-part="visit" data-status="" hidden', f'data-part="visit" data-status="{view.status}"')
    page = page.replace('data-part="notice"', 'data-part="notice" hidden', 1)
    page = page.replace('data-view=""', f'data-view="{escape(msgspec.json.encode(view).decode())}"', 1)
    page = page.replace('data-at=""', f'data-at="{now.isoformat()}"', 1)
    manifest = f"/t/{escape(code)}/manifest?lang={language}"
    page = page.replace('rel="manifest" href=""', f'rel="manifest" href="{manifest}"', 1)
    words = Words(view, texts("token", language), now).parts()
    if words["message"]:
        page = page.replace('data-part="message" hidden', 'data-part="message"', 1)
    return _parts(page, words)


def _parts(page: str, words: dict[str, str]) -> str:
    return re.sub(
        rf'(data-part="({"|".join(words)})"[^>]*>)[^<]*', lambda found: found[1] + escape(words[found[2]]), page
    )
