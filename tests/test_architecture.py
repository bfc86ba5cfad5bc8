"""Who may import whom: the layout, held."""

import ast
from pathlib import Path

import pytest

import mediqon

PACKAGE = Path(mediqon.__file__).parent
MODULES = {
    ".".join(("mediqon", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in PACKAGE.rglob("*.py")
}
PURE = {
    "mediqon.auth.audit",
    "mediqon.auth.models",
    "mediqon.hospitals.slots",
    "mediqon.queues.models",
    "mediqon.queues.rules",
    "mediqon.queues.accuracy",
    "mediqon.queues.chances",
    "mediqon.queues.closing",
    "mediqon.queues.estimate",
    "mediqon.queues.pace",
    "mediqon.queues.prospects",
    "mediqon.queues.habits",
    "mediqon.queues.history",
    "mediqon.queues.lessons",
    "mediqon.queues.reasons",
    "mediqon.queues.scene",
    "mediqon.queues.shown",
    "mediqon.queues.views",
    "mediqon.queues.tidings",
    "mediqon.appointments.calendar_file",
    "mediqon.queues.replay",
    "mediqon.queues.report",
    "mediqon.queues.report_csv",
    "mediqon.hospitals.doctors_file",
    "mediqon.live.channels",
    "mediqon.live.frames",
    "mediqon.live.hub",
    "mediqon.live.news",
    "mediqon.live.traffic",
}
WITH_BOUNDS = {"mediqon.hospitals.models", "mediqon.fields"}
STANDARD = {
    *(
        "bisect",
        "codecs",
        "collections",
        "csv",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "io",
        "itertools",
        "math",
        "re",
        "statistics",
    ),
    *("typing", "uuid", "zoneinfo"),
}
SPEAKS_HTTP = {
    *(
        "app",
        "express",
        "problem_json",
        "given",
        "fields",
        "worker",
        "access",
        "idempotency",
        "cookies",
        "origins",
        "doors",
        "noted",
        "socket",
    ),
}
FEATURES = ["auth", "hospitals", "queues", "appointments"]
LINES_MAX = 300


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= (
                {f"{node.module}.{each.name}" for each in node.names}
                if node.module in {"mediqon", *_packages()}
                else {node.module}
            )
    return found


def _packages() -> set[str]:
    return {name.removesuffix(".__init__") for name in MODULES if name.endswith("__init__")}


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_touch_nothing(module: str) -> None:
    for name in imported(MODULES[module]):
        assert name in PURE | WITH_BOUNDS or name.split(".")[0] in STANDARD | {"msgspec"}, name


def test_only_the_edge_speaks_http() -> None:
    for module, path in MODULES.items():
        if any(name.split(".")[0] == "litestar" for name in imported(path)):
            assert module.split(".")[-1] in SPEAKS_HTTP or "routes" in module, module


def test_only_the_bus_and_the_command_line_speak_to_redis() -> None:
    for module, path in MODULES.items():
        if any(name.split(".")[0] == "redis" for name in imported(path)):
            assert module in {
                *("mediqon.live.bus", "mediqon.live.post", "mediqon.live.cluster"),
                *("mediqon.auth.throttle", "mediqon.checkup"),
                "mediqon.embedded_valkey",
            }, module


def test_only_the_worker_imports_the_application() -> None:
    assert [module for module, path in MODULES.items() if "mediqon.app" in imported(path)] == ["mediqon.worker"]


def test_the_server_knows_nothing_of_its_benchmark() -> None:
    for module, path in MODULES.items():
        if any(name.startswith("mediqon.bench") for name in imported(path)):
            assert module.startswith(("mediqon.bench", "mediqon.cli")), module


def test_features_know_each_other_downward_only() -> None:
    for module, path in MODULES.items():
        parts = module.split(".")
        if parts[1] in FEATURES:
            above = set(FEATURES[FEATURES.index(parts[1]) + 1 :])
            assert not {name for name in imported(path) if name.split(".")[1:2] and name.split(".")[1] in above}, module


def test_no_server_loads_the_simulation() -> None:
    for module, path in MODULES.items():
        if not module.startswith("mediqon.evaluation"):
            inside = {name for name in imported(path) if name.startswith("mediqon.evaluation")}
            assert not inside or module == "mediqon.cli", module


def test_no_module_has_outgrown_one_subject() -> None:
    long = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: lines for module, lines in long.items() if lines > LINES_MAX} == {}
