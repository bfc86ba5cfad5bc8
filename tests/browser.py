"""Which browser the page tests drive. Run as a script, it prints that path and first installs one where none is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SHELL = "chromium-headless-shell"
"""Chromium without a window: the same pages for a quarter of the work, since nobody sees its toolbar being drawn."""
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find_browser() -> str | None:
    """The browser MEDIQON_TEST_BROWSER names, else one this machine has, else None: Playwright's own."""
    installed = (found for name in NAMES if (found := shutil.which(name)))
    return os.environ.get("MEDIQON_TEST_BROWSER") or next(installed, str(MACOS) if MACOS.exists() else None)


def provide_browser() -> str:
    """The same, installed first where the machine has none: Debian's package as root, Playwright's otherwise."""
    if browser := find_browser() or _playwrights_own():
        return browser
    if _is_debian_root() and _installs("apt-get", "update") and _installs("apt-get", "install", "-y", SHELL):
        return find_browser() or sys.exit(f"{SHELL} was installed, but is not on the PATH")
    as_root = ["--with-deps"] if os.geteuid() == 0 else []
    _installs(sys.executable, "-m", "playwright", "install", *as_root, "chromium")
    return _playwrights_own() or sys.exit(
        "No browser for the page tests: install Chromium, or set MEDIQON_TEST_BROWSER"
    )


def _playwrights_own() -> str | None:
    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def _is_debian_root() -> bool:
    """Ubuntu is left out on purpose: its chromium package is a snap, which does not start in a container."""
    release = Path("/etc/os-release")
    return os.geteuid() == 0 and release.exists() and "\nID=debian\n" in f"\n{release.read_text()}\n"


def _installs(*command: str) -> bool:
    print("No browser for the page tests yet:", *command, file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL, env=environment).returncode == 0


if __name__ == "__main__":
    print(provide_browser())
