"""docs/operate.md and what lies beside it are true: commands, files, alarms, units and proxies."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import rich_click as click
from prometheus_client.parser import text_string_to_metric_families

from mediqon import metrics
from mediqon.cli import main
from mediqon.settings import VARIABLES

DOCS = Path(__file__).parent.parent / "docs"
OPERATE = (DOCS / "operate.md").read_text()
ALERTS = (DOCS / "alerts.yml").read_text()
PAGES = {page.name: page.read_text() for page in DOCS.glob("*.md")}
SECONDS = 20
CONTEXT = click.Context(main)


def found(name: str) -> click.Command:
    """A command, wherever it stands."""
    command = main.get_command(CONTEXT, name)
    assert command is not None
    return command


def test_every_command_and_option_it_names_exists() -> None:
    named = re.findall(r"(?<!/opt/)\bmediqon ([a-z][a-z-]+)((?: --[a-z-]+(?: [\w.-]+)?| [A-Z]+)*)", OPERATE)
    commands = {name for name, _ in named}
    assert {"backup", "restore", "forget", "export-day", "check"} <= commands
    unknown = commands - set(main.list_commands(CONTEXT))
    assert unknown == set()
    for name, rest in named:
        known = {option for each in found(name).params for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, name


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_file_it_points_to_exists(page: str) -> None:
    linked = re.findall(r"\]\(([\w./-]+)\)", PAGES[page])
    assert [path for path in linked if not (DOCS / path).exists()] == []


def test_every_setting_it_names_exists() -> None:
    named = set(re.findall(r"\bMEDIQON_[A-Z_]+|\bDB_[A-Z]+|\bJWT_SECRET\b|\bREDIS_URL\b", OPERATE))
    assert len(named) > 4
    assert named <= set(VARIABLES)


def test_every_alarm_is_explained_and_asks_for_metrics_that_exist() -> None:
    alarms = re.findall(r"- alert: (\w+)", ALERTS)
    assert re.findall(r"^### (\w+)$", OPERATE, re.MULTILINE) == alarms
    families = text_string_to_metric_families(metrics.exposition().decode())
    suffixes = {"counter": "_total", "gauge": "", "histogram": "_bucket"}
    exist = {family.name + suffixes[family.type] for family in families}
    assert set(re.findall(r"\bmediqon_\w+", ALERTS)) <= exist


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_units_are_understood_by_systemd(tmp_path: Path) -> None:
    program = tmp_path / "mediqon"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in DOCS.glob("systemd/*"):
        text = unit.read_text().replace("/opt/mediqon/.venv/bin/mediqon serve", f"{program} serve")
        (tmp_path / unit.name).write_text(text.replace("WorkingDirectory=/opt/mediqon", f"WorkingDirectory={tmp_path}"))
    units = [str(tmp_path / unit.name) for unit in DOCS.glob("systemd/*")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=SECONDS
    )
    assert not re.search(r"[Uu]nknown|[Ff]ailed to parse|Missing|not executable", done.stderr), done.stderr


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=queue.clinic.example"]
    subprocess.run(
        [*key, "-keyout", str(tmp_path / "privkey.pem"), "-out", str(tmp_path / "fullchain.pem")],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    site = (DOCS / "proxy" / "nginx.conf").read_text()
    site = site.replace("/etc/letsencrypt/live/queue.clinic.example", str(tmp_path))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "\n".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    whole = f"pid {tmp_path}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{own}\n{site}\n}}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    subprocess.run(["nginx", "-t", "-c", str(tmp_path / "nginx.conf")], check=True, timeout=SECONDS)


@pytest.mark.skipif(shutil.which("caddy") is None, reason="no caddy here")
def test_caddy_takes_its_file() -> None:
    file = str(DOCS / "proxy" / "Caddyfile")
    subprocess.run(["caddy", "validate", "--adapter", "caddyfile", "--config", file], check=True, timeout=SECONDS)
