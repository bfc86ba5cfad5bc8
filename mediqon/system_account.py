"""As whom the embedded servers run when Mediqon runs as root, and the doors that account must pass.

PostgreSQL refuses to run as root. As an ordinary user nothing here happens.
"""

import os
import pwd
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from mediqon.children import Account, Say
from mediqon.settings import SettingsError

ACCOUNT = "mediqon"
FALLBACKS = ("postgres", "nobody")
USERADD = ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT)
USERADD_LIMIT_S = 20


def account_for(database: Path, *, say: Say) -> Account | None:
    """None unless we are root. Then the owner of an existing `database` directory, else the user `mediqon`
    (made on the first call), else, where none can be made, `postgres` or `nobody`.

    Raises SettingsError where there is none of them.
    """
    if os.geteuid() != 0:
        return None
    if database.exists() and (owner := database.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    if account := _find(ACCOUNT) or _made(say):
        return account
    for name in FALLBACKS:
        if account := _find(name):
            return account
    raise SettingsError("PostgreSQL does not run as root, and no user can be made for it: start Mediqon as another.")


def let_in(account: Account | None, directory: Path) -> None:
    """Lets `account` pass through `directory` and its parents: search permission, on what is ours, and nothing else.

    Raises SettingsError for a closed directory that is not ours.
    """
    if account is None:
        return
    for door in (directory, *directory.parents):
        status = door.stat()
        if not _may_pass(account, status):
            _open_door(door, status)


def _find(name: str) -> Account | None:
    with suppress(KeyError):
        entry = pwd.getpwnam(name)
        return Account(entry.pw_uid, entry.pw_gid)
    return None


def _made(say: Say) -> Account | None:
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(USERADD, check=True, capture_output=True, timeout=USERADD_LIMIT_S)  # noqa: S603
        say(f"Made the system user {ACCOUNT}: PostgreSQL does not run as root.")
    return _find(ACCOUNT)


def _may_pass(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _open_door(door: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise SettingsError(
            f"PostgreSQL does not run as root, and the user it runs as may not pass {door}. Start Mediqon as the owner "
            "of that directory, or put MEDIQON_DATA_DIR and the installation elsewhere."
        )
    door.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
