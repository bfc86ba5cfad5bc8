"""docker-compose.yml, the Dockerfile and .env.example agree with the settings there are."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from mediqon.settings import VARIABLES, Settings, SettingsError, read_settings

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
ENV_EXAMPLE = ROOT / ".env.example"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
ENVIRONMENT: dict[str, Any] = SERVICES["mediqon"]["environment"]


def test_env_example_lists_every_setting_once_in_order_and_explains_it() -> None:
    lines = ENV_EXAMPLE.read_text().splitlines()
    explained = [after.partition("=")[0] for before, after in pairwise(lines) if before[:2] == "# "]
    assert [line for line in explained if line in VARIABLES] == list(VARIABLES)
    assert list(dotenv_values(ENV_EXAMPLE)) == list(VARIABLES)


def test_env_example_copied_as_it_is_changes_nothing() -> None:
    assert read_settings(_without_none(dotenv_values(ENV_EXAMPLE))) == Settings()


def test_compose_runs_mediqon_with_postgresql_and_redis() -> None:
    assert set(SERVICES) == {"mediqon", "postgres", "redis"}


def test_compose_sets_only_variables_that_are_settings() -> None:
    interpolated = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert set(ENVIRONMENT) <= set(VARIABLES)
    assert interpolated <= set(VARIABLES)


def test_compose_gives_mediqon_the_servers_beside_it() -> None:
    settings = read_settings(_interpolated({"DB_PASSWORD": "secret", "JWT_SECRET": "s" * 32}))
    postgres = SERVICES["postgres"]["environment"]
    assert (settings.db_host, settings.redis_url) == ("postgres", "redis://redis:6379/0")
    assert (settings.db_user, settings.db_name) == (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
    assert postgres["POSTGRES_PASSWORD"] == ENVIRONMENT["DB_PASSWORD"]


def test_compose_refuses_to_start_without_its_secrets() -> None:
    for secret in ("DB_PASSWORD", "JWT_SECRET"):
        assert f"${{{secret}:?" in ENVIRONMENT[secret]
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        read_settings(_interpolated({"DB_PASSWORD": "secret", "JWT_SECRET": "too short"}))


def test_compose_waits_until_the_servers_are_healthy_and_brings_everything_back() -> None:
    awaited = SERVICES["mediqon"]["depends_on"]
    assert {name: wait["condition"] for name, wait in awaited.items()} == dict.fromkeys(
        ("postgres", "redis"), "service_healthy"
    )
    assert all("healthcheck" in SERVICES[name] for name in awaited)
    assert all(service["restart"] == "unless-stopped" for service in SERVICES.values())


def test_compose_opens_one_port_and_that_on_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${PORT:-3000}:3000"]


def test_images_are_pinned_to_a_major_version() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for image in [*bases, *(service["image"] for service in SERVICES.values())]:
        assert re.search(r":\d+(\.\d+)*(-\w+)?$", image), image


def test_image_runs_as_an_ordinary_user_and_checks_hashes() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d*$", dockerfile, re.MULTILINE)
    assert "--require-hashes" in dockerfile
    assert "/health/ready" in dockerfile


def _interpolated(dotenv: dict[str, str]) -> dict[str, str]:
    """The environment of the mediqon service as compose would pass it, for these `${VARIABLE:-default}`."""

    def value(match: re.Match[str]) -> str:
        default = match["default"] or ""
        return dotenv.get(match["name"], default)

    form = re.compile(r"\$\{(?P<name>\w+)(:-(?P<default>[^}]*)|:\?[^}]*)?\}")
    return {variable: form.sub(value, str(raw)) for variable, raw in ENVIRONMENT.items()}


def _without_none(values: dict[str, str | None]) -> dict[str, str]:
    return {variable: value for variable, value in values.items() if value is not None}
