"""The wheel, installed into an empty environment, is the whole program, with its SQL and its pages."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 60


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=ROOT)
    (built,) = folder.glob("mediqon-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it; this one lends the dependencies, so nothing is fetched."""
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", str(home), cwd=home)
    python = home / "bin" / "python"
    _run(
        sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel), cwd=home
    )
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_wheel_carries_the_package_the_sql_and_the_pages(wheel: Path) -> None:
    shipped = set(ZipFile(wheel).namelist())
    package = {str(path.relative_to(ROOT)) for path in _files(ROOT / "mediqon")}
    sql = {f"mediqon/{path.relative_to(ROOT)}" for path in _files(ROOT / "sql")}
    assert {"mediqon/web/display/index.html", "mediqon/sql/migrations/0001_clinic.sql"} <= package | sql
    assert {name for name in shipped if ".dist-info/" not in name} == package | sql


def test_installed_program_runs_from_any_directory(installed: Path, tmp_path: Path) -> None:
    for program in ([str(installed), "-m", "mediqon"], [str(installed.with_name("mediqon"))]):
        assert "serve" in _run(*program, "--help", cwd=tmp_path)


def test_installed_package_reads_its_own_sql(installed: Path, tmp_path: Path) -> None:
    folder = _run(str(installed), "-c", "from mediqon.database import sql_folder; print(sql_folder())", cwd=tmp_path)
    assert Path(folder.strip()).is_relative_to(installed.parent.parent)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _run(*command: str, cwd: Path) -> str:
    """What the command prints; an AssertionError with all of it where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
