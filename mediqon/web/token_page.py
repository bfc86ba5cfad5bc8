"""The phone page in its reader's language, with a visit already in it: readable before any script, and without one."""

import re
from datetime import datetime
from html import escape
from typing import Any

import msgspec

from mediqon.live.channels import TokenView
from mediqon.web.token_words import Words


def worded(page: str, texts: dict[str, Any]) -> str:
    """The page in the language of `texts`, which its script finds in it too."""
    language = texts["lang"]
    page = page.replace('<html lang="en">', f'<html lang="{language}" dir="{texts["dir"]}">', 1)
    page = page.replace(f'hreflang="{language}"', f'hreflang="{language}" aria-current="true"', 1)
    page = page.replace('data-texts=""', f'data-texts="{escape(msgspec.json.encode(texts).decode())}"', 1)
    page = re.sub(r'(data-word="(\w+)"[^>]*>)[^<]*', lambda found: found[1] + escape(texts[found[2]]), page)
    page = re.sub(
        r'aria-label="[^"]*" data-label="(\w+)"', lambda found: f'aria-label="{escape(texts[found[1]])}"', page
    )
    return noticed(page, texts["one_moment"])


def noticed(page: str, notice: list[str]) -> str:
    """The page with this title and text where there is no visit to show."""
    return _parts(page, dict(zip(("notice-title", "notice-text"), notice, strict=True)))


def filled(page: str, view: TokenView, texts: dict[str, Any], *, code: str, now: datetime) -> str:
    """The page's parts filled with `view`, as of `now`; it says itself from when that is."""
    page = page.replace('data-part="visit" data-status="" hidden', f'data-part="visit" data-status="{view.status}"')
    page = page.replace('data-part="notice"', 'data-part="notice" hidden', 1)
    page = page.replace('data-view=""', f'data-view="{escape(msgspec.json.encode(view).decode())}"', 1)
    page = page.replace('data-at=""', f'data-at="{now.isoformat()}"', 1)
    manifest = f"/t/{escape(code)}/manifest?lang={texts['lang']}"
    page = page.replace('rel="manifest" href=""', f'rel="manifest" href="{manifest}"', 1)
    words = Words(view, texts, now).parts()
    if words["message"]:
        page = page.replace('data-part="message" hidden', 'data-part="message"', 1)
    return _parts(page, words)


def _parts(page: str, words: dict[str, str]) -> str:
    return re.sub(
        rf'(data-part="({"|".join(words)})"[^>]*>)[^<]*', lambda found: found[1] + escape(words[found[2]]), page
    )
