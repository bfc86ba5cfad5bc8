"""README.md is true: its commands, settings, routes, files and pictures exist."""

import re
from pathlib import Path
from typing import Any

from mediqon.app import create_app
from mediqon.live.socket import NOWHERE
from mediqon.settings import VARIABLES, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_make_target_it_names_exists_and_explains_itself() -> None:
    named = set(re.findall(r"^make (\w+)|`make (\w+)", README, re.MULTILINE))
    explained = set(re.findall(r"^(\w+):.*## ", MAKEFILE, re.MULTILINE))
    assert {first or second for first, second in named} <= explained
    assert {"help", "install", "run", "demo", "test", "check", "format", "screenshots", "clean"} <= explained


def test_settings_table_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| .+ \|$", _section("Settings"), re.MULTILINE)
    defaults = {variable: str(getattr(Settings(), field)) for variable, field in VARIABLES.items()}
    assert rows == [(variable, f"`{default}`" if default else "–") for variable, default in defaults.items()]


def test_every_call_in_the_contract_table_is_in_the_openapi_document() -> None:
    app: Any = create_app(Settings())
    paths: dict[str, Any] = app.openapi_schema.to_schema()["paths"]
    served = {f"{method.upper()} {_anonymous(path)}" for path, operations in paths.items() for method in operations}
    calls = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /\S*)`", _section("The contract in short"))
    assert len(calls) > 20
    assert {_anonymous(call) for call in calls} <= served


def test_every_live_path_it_names_is_served_and_none_is_left_out() -> None:
    named = re.findall(r"`(/live/\S+)`", README)
    assert {_anonymous(path) for path in named} == {path for path in _paths() if path.startswith("/live")} - {
        _anonymous(path) for path in NOWHERE
    }


def test_every_page_it_shows_is_served() -> None:
    pages = re.findall(r": `(/\S+)`", _section("Try it"))
    assert len(pages) == 6
    assert {_anonymous(page) for page in pages} <= _paths()


def test_every_file_and_picture_it_points_to_exists() -> None:
    linked = re.findall(r"\]\(([\w./-]+)\)", README)
    tests = re.findall(r"`(tests/[\w./]+)`", README)
    steps = re.findall(r"^\s*(\w+/\w+\.py)", _section("How a booking travels"), re.MULTILINE)
    modules = re.findall(r"(\w+\.py)", _section("Development").split("mediqon/\n")[1])
    named = [*linked, *tests, *(f"mediqon/{path}" for path in [*steps, *modules])]
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_test_that_security_names_exists() -> None:
    named = re.findall(r"`(tests/[\w./]+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 9
    assert [path for path in named if not (ROOT / path).exists()] == []


def _paths() -> set[str]:
    """Every path the server answers on, websockets included."""
    app: Any = create_app(Settings())
    return {_anonymous(route.path) for route in app.routes}


def _section(title: str) -> str:
    """What stands under this heading, up to the next of its level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _anonymous(path: str) -> str:
    """A path whose parameters have no name: `/t/{code:str}` and `/t/{key}` are the same."""
    return re.sub(r"\{[^}]*\}", "{}", path)
