"""The pinned requirement files: everything pyproject.toml asks for, by hash, from nowhere in particular."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN = [
    *PYPROJECT["project"]["dependencies"],
    *PYPROJECT["project"]["optional-dependencies"]["embedded"],
    *PYPROJECT["dependency-groups"]["build"],
    *PYPROJECT["build-system"]["requires"],
]
DEV = [*RUN, *PYPROJECT["dependency-groups"]["dev"]]


@pytest.mark.parametrize(("file", "asked"), [("requirements.txt", RUN), ("requirements-dev.txt", DEV)])
def test_every_dependency_is_pinned_to_a_version_it_allows(file: str, asked: list[str]) -> None:
    pins = _pins(file)
    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_development_runs_the_very_versions_that_serve() -> None:
    assert _pins("requirements.txt").items() <= _pins("requirements-dev.txt").items()


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_has_hashes_and_no_line_an_address(file: str) -> None:
    text = (ROOT / file).read_text()
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ ", text)


def _pins(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / file).read_text(), re.MULTILINE))
