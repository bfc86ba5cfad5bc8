"""The command line as an administrator uses it: a process of its own."""

import asyncio
import os
import subprocess
import sys

from mediqon.settings import Settings
from processes import CHECKOUT

SECONDS = 60


async def mediqon(settings: Settings, *words: str, status: int = 0) -> str:
    """What the command says, with these servers configured as an administrator's own."""
    return await told({**os.environ, **settings.as_environment()}, *words, status=status)


async def told(environment: dict[str, str], *words: str, status: int = 0) -> str:
    command = (sys.executable, "-m", "mediqon", *words)
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=SECONDS
    )
    said = f"{done.stdout}{done.stderr}"
    assert done.returncode == status, said
    return " ".join(said.replace("│", " ").split())
