"""The directory of the embedded servers: who owns it now, its secrets, and where its sockets lie.

    postgres/       the database itself
    run/            the unix sockets, for us alone
    logs/           what PostgreSQL and Valkey print
    secrets.json    made once; without it the database cannot be opened
    valkey.conf     written at each start
    lock            held (flock) by the one process that runs the servers, and says which

Everything is closed to other users. Only when root runs Mediqon may others pass through, to let PostgreSQL's user in.
"""

import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

import msgspec

from mediqon.children import Account
from mediqon.settings import SettingsError

SOCKET_PATH_MAX_BYTES = 100  # the kernels' own limits: 107 (Linux) and 103 (macOS)
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"
SECRET_BYTES = 32


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the embedded servers and tokens are locked with."""

    database_password: str
    redis_password: str
    jwt_secret: str


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that runs the servers of a data directory; `url` is empty until it serves."""

    pid: int
    sockets: str
    url: str = ""


class DataDirectory:
    """One data directory. Every method may raise SettingsError when the file system refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.logs = self.path / "logs"
        self.valkey_conf = self.path / "valkey.conf"
        self._secrets = self.path / "secrets.json"
        self._lock: int | None = None

    def claim(self) -> bool:
        """Takes the lock for the life of this process or until `release`; False while another process has it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SettingsError(f"MEDIQON_DATA_DIR: {self.path} cannot be used ({error.strerror}).") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        """Gives the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def sign(self, sockets: Path) -> None:
        """Writes into the held lock who we are and where the sockets are."""
        _write_holder(self.path / "lock", Holder(pid=os.getpid(), sockets=str(sockets)))

    def announce(self, url: str) -> None:
        """Adds where we serve, if it is this process that holds the directory."""
        holder = self.holder()
        if holder is not None and holder.pid == os.getpid():
            _write_holder(self.path / "lock", msgspec.structs.replace(holder, url=url))

    def holder(self) -> Holder | None:
        """Who signed the lock last. None before the first start and in the instant of a signature."""
        try:
            return msgspec.json.decode((self.path / "lock").read_bytes(), type=Holder)
        except (OSError, msgspec.DecodeError):
            return None

    def secrets(self) -> Secrets:
        """The secrets, made on the first call. Raises SettingsError when they are lost but the database is there."""
        if not self._secrets.exists():
            if self.postgres.exists():
                raise SettingsError(f"{self._secrets} is missing: put it back, or remove {self.path} to start anew.")
            words = (secrets.token_urlsafe(SECRET_BYTES) for _ in Secrets.__struct_fields__)
            made = Secrets(**dict(zip(Secrets.__struct_fields__, words, strict=True)))
            write_private(self._secrets, msgspec.json.format(msgspec.json.encode(made)) + b"\n")
        try:
            return msgspec.json.decode(self._secrets.read_bytes(), type=Secrets)
        except (OSError, msgspec.DecodeError) as error:
            raise SettingsError(f"{self._secrets} cannot be read: {error}.") from error

    def sockets(self, account: Account | None) -> Path:
        """The socket directory, made if needed: `run/`, or where that path is too long for a socket a directory named
        after it among the temporary files. It belongs to `account` (us, if None) and is closed to all others.
        """
        run = self.path / "run"
        if len(os.fsencode(run / LONGEST_SOCKET_NAME)) > SOCKET_PATH_MAX_BYTES:
            digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
            run = Path(tempfile.gettempdir()) / f"mediqon-{digest}"
        return _private_directory(run, account)


def write_private(path: Path, content: bytes, account: Account | None = None) -> None:
    """Replaces the file in one step, readable by us or by `account` alone, and on disk when this returns.

    Only the holder of the lock calls it.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if account is not None:
            os.fchown(file.fileno(), *account)
    fresh.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """A rename inside `directory` is on disk when this returns."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private_directory(path: Path, account: Account | None) -> Path:
    """Refuses what somebody else may have put there before us: the temporary directory is everybody's."""
    owner = account.uid if account is not None else os.geteuid()
    try:
        path.mkdir(mode=0o700)
        if account is not None:
            os.chown(path, *account, follow_symlinks=False)
    except FileExistsError:
        pass
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or stat.S_IMODE(status.st_mode) != 0o700:
        raise SettingsError(f"{path} must be a directory of user {owner} with mode 0700: remove it and start again.")
    return path


def _write_holder(lock: Path, holder: Holder) -> None:
    """In place: a new file would not carry the lock."""
    with lock.open("r+b") as file:
        file.write(msgspec.json.encode(holder) + b"\n")
        file.truncate()
