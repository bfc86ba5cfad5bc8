"""What the administrator decides, read once from the environment (and a `.env` file beside it)."""

import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import msgspec
from dotenv import dotenv_values

from mediqon.redis_hosts import is_sound

JWT_SECRET_MIN_BYTES = 32
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which and what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, typed. Empty strings mean "not configured": an embedded server is started instead."""

    port: int = 3000
    db_host: str = ""
    db_port: int = 5432
    db_user: str = "postgres"
    db_password: str = ""
    db_name: str = "mediqon"
    redis_url: str = ""
    jwt_secret: str = ""
    jwt_secret_previous: str = ""
    audit_key: str = ""
    audit_days: int = 0
    data_dir: Path = Path(".mediqon")
    db_pool: int = 8
    public_url: str = ""
    trusted_proxies: str = ""
    sockets_per_address: int = 1000
    log_level: str = "info"

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """What may have signed a token: the secret that signs now, and the one before it while that is configured."""
        return (self.jwt_secret, self.jwt_secret_previous) if self.jwt_secret_previous else (self.jwt_secret,)

    @property
    def audit_secrets(self) -> tuple[str, ...]:
        """What the logbook is sealed with now, and what else it may have been sealed with before."""
        return (self.audit_key, *self.jwt_secrets) if self.audit_key else self.jwt_secrets

    @property
    def db_hosts(self) -> list[str]:
        """A primary and its replicas, in any order; the one that takes writes is used."""
        return self.db_host.split(",")

    @property
    def over_tls(self) -> bool:
        """Whether people reach us over TLS."""
        return self.public_url.startswith("https://")

    def as_environment(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        return {variable: str(getattr(self, field)) for variable, field in VARIABLES.items()}


VARIABLES = {
    "PORT": "port",
    "DB_HOST": "db_host",
    "DB_PORT": "db_port",
    "DB_USER": "db_user",
    "DB_PASSWORD": "db_password",
    "DB_NAME": "db_name",
    "REDIS_URL": "redis_url",
    "JWT_SECRET": "jwt_secret",
    "MEDIQON_JWT_SECRET_PREVIOUS": "jwt_secret_previous",
    "MEDIQON_AUDIT_KEY": "audit_key",
    "MEDIQON_AUDIT_DAYS": "audit_days",
    "MEDIQON_DATA_DIR": "data_dir",
    "MEDIQON_DB_POOL": "db_pool",
    "MEDIQON_PUBLIC_URL": "public_url",
    "MEDIQON_TRUSTED_PROXIES": "trusted_proxies",
    "MEDIQON_SOCKETS_PER_ADDRESS": "sockets_per_address",
    "MEDIQON_LOG_LEVEL": "log_level",
}


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment`, or from the process's own over `.env` in the working directory.

    Raises SettingsError with a sentence for the administrator.
    """
    if environment is None:
        dotenv = {key: value for key, value in dotenv_values(".env").items() if value is not None}
        environment = {**dotenv, **os.environ}
    raw = {field: environment[variable] for variable, field in VARIABLES.items() if environment.get(variable)}
    try:
        settings = msgspec.convert(raw, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error))) from None
    return _checked(settings)


def _decode(kind: type, value: object) -> object:
    return kind(value)


def _explain(message: str) -> str:
    """Names the variable instead of the field."""
    for variable, field in VARIABLES.items():
        message = message.replace(f"`$.{field}`", variable)
    return message


def _checked(settings: Settings) -> Settings:
    if settings.db_host and len(settings.jwt_secret.encode()) < JWT_SECRET_MIN_BYTES:
        raise SettingsError(
            f"JWT_SECRET is missing or shorter than {JWT_SECRET_MIN_BYTES} bytes. With DB_HOST set it must be yours: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(48))" makes a good one.'
        )
    if settings.jwt_secret and len(settings.jwt_secret.encode()) < JWT_SECRET_MIN_BYTES:
        raise SettingsError(f"JWT_SECRET is shorter than {JWT_SECRET_MIN_BYTES} bytes. Leave it out to have one made.")
    if settings.jwt_secret_previous and len(settings.jwt_secret_previous.encode()) < JWT_SECRET_MIN_BYTES:
        raise SettingsError(f"MEDIQON_JWT_SECRET_PREVIOUS is shorter than {JWT_SECRET_MIN_BYTES} bytes.")
    if settings.audit_key and len(settings.audit_key.encode()) < JWT_SECRET_MIN_BYTES:
        raise SettingsError(f"MEDIQON_AUDIT_KEY is shorter than {JWT_SECRET_MIN_BYTES} bytes.")
    for variable, port in (("PORT", settings.port), ("DB_PORT", settings.db_port)):
        if not 0 <= port <= 65535:
            raise SettingsError(f"{variable} must be between 0 and 65535, not {port}.")
    if settings.redis_url and not is_sound(settings.redis_url):
        raise SettingsError(
            "REDIS_URL must name its hosts as redis://one:6379,two:6379 does, or with rediss:// or unix://. It has "
            "another scheme, a host without a name (a comma too many?), a space, or a port that is none."
        )
    for proxy in filter(None, (each.strip() for each in settings.trusted_proxies.split(","))):
        if not _is_network(proxy):
            raise SettingsError(
                f"MEDIQON_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, not {proxy}."
            )
    if settings.log_level.lower() not in LOG_LEVELS:
        raise SettingsError(f"MEDIQON_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {settings.log_level}.")
    if settings.audit_days < 0:
        raise SettingsError(
            f"MEDIQON_AUDIT_DAYS must be a number of days, or 0 to keep all, not {settings.audit_days}."
        )
    for variable, count in (
        ("MEDIQON_DB_POOL", settings.db_pool),
        ("MEDIQON_SOCKETS_PER_ADDRESS", settings.sockets_per_address),
    ):
        if count < 1:
            raise SettingsError(f"{variable} must be at least 1, not {count}.")
    return settings


def _is_network(text: str) -> bool:
    """Also not `*`: whoever can connect could then say to be anybody."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
