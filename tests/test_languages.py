"""The languages of the phone page: which one somebody gets, and that each says all there is to say."""

import re
from typing import Any

import pytest

from builders import Clinic, Server
from mediqon.web.languages import LANGUAGES, spoken, texts
from walk import waiting

PLACES = re.compile(r"\{\w+\}")


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "es-MX,es;q=0.9,en;q=0.8", "es"),
        ("", "de,ta;q=0.9,hi;q=0.8,en;q=0.7", "hi"),
        ("", "en;q=0.2, ar ;q=0.7", "ar"),
        ("", "ar;q=0, fr", "en"),
        ("", "HI-in", "hi"),
        ("ar", "es", "ar"),
        ("tlh", "es", "es"),
        ("", "", "en"),
        ("", ";;q=,=;q=x,*", "en"),
    ],
)
def test_somebody_gets_the_language_they_asked_for_or_else_their_browser_likes_best(
    asked: str, accepted: str, language: str
) -> None:
    assert spoken(asked, accepted) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things(language: str) -> None:
    assert places(texts("token", language)) == places(texts("token", "en"))


def places(said: Any) -> Any:
    """A text by the values that go into it."""
    if isinstance(said, dict):
        return {name: places(text) for name, text in said.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(said, list):
        return [places(text) for text in said]  # pyright: ignore[reportUnknownVariableType]
    return sorted(PLACES.findall(said))


@pytest.mark.anyio
async def test_a_page_is_not_kept_for_readers_of_another_language(server: Server, clinic: Clinic) -> None:
    (visit,) = await waiting(clinic, "Asha")
    page = f"/t/{visit['code']}"
    spanish = await server.http.get(page, headers={"Accept-Language": "es"})
    assert "Es el siguiente" in spanish.text
    assert "Accept-Language" in spanish.headers["vary"]
    assert (await server.http.get(page, headers={"If-None-Match": spanish.headers["etag"]})).status_code == 200
