"""The only place that reads the environment: where servers, lake and config file are."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fsspec import get_filesystem_class
from pydantic import BaseModel, ConfigDict, SecretStr
from upath import UPath

from jobs.run.server_uris import (
    ServerUri,
    holds_a_password,
    may_hold_a_login,
    parse_mongo,
    parse_postgres,
    without_secrets,
)
from recsys.errors import ConfigError, SettingsError

if TYPE_CHECKING:
    from recsys.config import Config

POSTGRES_URI: Final = "RECSYS_POSTGRES_URI"
MONGO_URI: Final = "RECSYS_MONGO_URI"
LAKE: Final = "RECSYS_LAKE"
SANDBOX: Final = "RECSYS_SANDBOX"
CONFIG: Final = "RECSYS_CONFIG"
SPARK_MASTER: Final = "RECSYS_SPARK_MASTER"
Default = TypeVar("Default", str, None)
_HERE: Final = ("file", "local")
#: Other places where drivers look for a secret.
_PASSWORDS: Final = ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_Parser = Callable[[str, str], ServerUri]
_REMEDY: Final = 'set it, or start the embedded servers: eval "$(recsys sandbox env)"'


class Settings(BaseModel):
    """Settings that differ between machines. Relative paths start at the working directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    postgres_uri: SecretStr | None
    mongo_uri: SecretStr | None
    lake: UPath
    """A folder of this machine, or a URI that fsspec knows."""
    sandbox: Path
    config: Path
    submitted: bool
    """Started by spark-submit, which brings the master and the memory."""
    spark_master: str = "local[*]"
    """Master of a job that spark-submit did not start."""

    def require_postgres(self) -> SecretStr:
        """The Postgres URI; raises SettingsError where it is unset or not one."""
        return _required(self.postgres_uri, POSTGRES_URI, parse_postgres)

    def require_mongo(self) -> SecretStr:
        """The MongoDB URI; raises SettingsError where it is unset or not one."""
        return _required(self.mongo_uri, MONGO_URI, parse_mongo)


def load_settings() -> Settings:
    """Reads the environment; raises SettingsError for a variable that is set to nothing."""
    return Settings(
        postgres_uri=_secret(POSTGRES_URI),
        mongo_uri=_secret(MONGO_URI),
        lake=lake_path(_place(LAKE, ".lake")),
        sandbox=Path(_place(SANDBOX, ".sandbox")).absolute(),
        config=Path(_place(CONFIG, "recsys.toml")).absolute(),
        submitted="PYSPARK_GATEWAY_PORT" in os.environ,
        spark_master=_place(SPARK_MASTER, "local[*]"),
    )


def load_config(path: Path | None = None) -> Config:
    """Reads and validates the configuration; raises ConfigError naming file and field.

    Raises it too where an earlier version left tuned parameters beside it.
    """
    # The configuration has a section for every generator, whose libraries take a second to load.
    from recsys.config import parse_config  # noqa: PLC0415

    path = path or load_settings().config
    _refuse_login(str(path), "the configuration's path")
    values, earlier = _read(path), path.with_name(f"{path.stem}.tuned.toml")
    # A name that is too long for a file is none of an earlier version.
    with suppress(OSError):
        if earlier.is_file():
            raise ConfigError(
                f"{earlier}: tuned parameters are in the lake now; write those that are to stay "
                f"into {path.name} and remove the file"
            )
    return parse_config(values, path.name)


def configured_sinks(path: Path | None = None) -> Mapping[str, Mapping[str, Any]]:
    """The sections of `[sinks]` by name, without reading the rest; none where there is no file."""
    path = path or load_settings().config
    return _read(path).get("sinks", {}) if path.is_file() else {}


def lake_path(place: str) -> UPath:
    """Path of a lake; raises SettingsError where nothing here can reach it."""
    return folder_path(place, LAKE)


def folder_path(place: str, name: str) -> UPath:
    """A folder of this machine, or a URI such as s3://bucket/lake. name: how messages name it.

    Raises SettingsError where nothing here can reach it.
    """
    if "://" not in place:
        _refuse_login(place, name)
        return UPath(Path(place).absolute())
    if holds_a_password(place):
        raise SettingsError(f"{name} holds a password; leave it to the environment of its server")
    try:
        path = UPath(place)
        if path.protocol in _HERE:
            return UPath(path.path)
        get_filesystem_class(path.protocol)
    except (ValueError, ImportError) as error:
        scheme, _, _ = place.partition("://")
        raise SettingsError(f"{name} is at {scheme}://, which cannot be used: {error}") from None
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; set {CONFIG} or pass --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _secret(name: str) -> SecretStr | None:
    value = _variable(name, None)
    return None if value is None else SecretStr(value)


def _place(name: str, default: str) -> str:
    """A folder or an address, which messages, folders and arguments of processes may show."""
    value = _variable(name, default)
    _refuse_login(value, name)
    return value


def _refuse_login(place: str, name: str) -> None:
    if may_hold_a_login(place):
        raise SettingsError(
            f"{name} seems to hold a login with a password, so it is not shown; only "
            f"{POSTGRES_URI} and {MONGO_URI} take one"
        )


def _variable(name: str, default: Default) -> str | Default:
    """An empty one is a mistake: taken for a path, it would be the working directory."""
    value = os.environ.get(name)
    if value is not None and not value.strip():
        raise SettingsError(f"{name} is set to nothing; give it a value, or unset it")
    return default if value is None else value


def _required(value: SecretStr | None, name: str, parse: _Parser) -> SecretStr:
    if value is None:
        raise SettingsError(f"{name} is not set; {_REMEDY}")
    parse(value.get_secret_value(), name)
    return value


def printable(text: str) -> str:
    """A message without any piece of the environment's passwords."""
    return without_secrets(text, _environment_secrets())


def _environment_secrets() -> Iterator[str]:
    for name, parse in ((POSTGRES_URI, parse_postgres), (MONGO_URI, parse_mongo)):
        if value := os.environ.get(name):
            # One that is refused reaches no driver, whose messages could quote it.
            with suppress(SettingsError):
                yield from parse(value, name).secrets
    yield from (value for name in _PASSWORDS if (value := os.environ.get(name)))


def java_command() -> str:
    """The Java that Spark starts: JAVA_HOME's, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"
