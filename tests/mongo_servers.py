"""Independent MongoDB servers for tests: FerretDB on a socket of its own, or one that is named.

`RECSYS_TEST_MONGO_URI` names any server; tests make databases of their own there and drop them.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from jobs.sandbox.processes import last_lines, wait_until

EMBEDDED: Final = "embedded"
FERRETDB: Final = "ferretdb"
NAMED: Final = "named"
URI: Final = "RECSYS_TEST_MONGO_URI"
#: The servers that tests of the reader run on.
SERVERS: Final = (EMBEDDED, FERRETDB, *([NAMED] if URI in os.environ else []))

_VERSION: Final = "1.24.2"
_MODULE: Final = "github.com/FerretDB/FerretDB"
_BUILD_SECONDS: Final = 600
_START_SECONDS: Final = 60.0


def named_server() -> SecretStr:
    """The server of RECSYS_TEST_MONGO_URI."""
    return SecretStr(os.environ[URI])


def emptied(server: SecretStr, database: str) -> Iterator[SecretStr]:
    """The URI of a database on a server; it is dropped in the end."""
    uri = urlunsplit(urlsplit(server.get_secret_value())._replace(path=f"/{database}"))
    yield SecretStr(uri)
    client: MongoClient[Mapping[str, object]] = MongoClient(uri)
    with client:
        client.drop_database(database)


@contextmanager
def ferretdb(folder: Path) -> Iterator[SecretStr]:
    """Runs FerretDB over SQLite files in an empty folder; skips the test where there is none."""
    program = _program()
    # A socket in a closed folder lets in no other user of the machine; its path must be short.
    path = folder / "mongo.sock"
    command = [
        *(str(program), "--handler=sqlite", f"--sqlite-url=file:{folder}/"),
        *("--listen-addr=", f"--listen-unix={path}", "--debug-addr=-"),
        *(f"--state-dir={folder}", "--telemetry=disable", "--log-level=warn"),
    ]
    uri = SecretStr(f"mongodb://{quote(str(path), safe='')}/")
    with (folder / "ferretdb.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(uri) or server.poll() is not None, _START_SECONDS)
        if server.poll() is not None or not _answers(uri):
            log_end = last_lines(folder / "ferretdb.log", 20)
            raise TimeoutError(f"FerretDB does not answer: {log_end}")
        yield uri
    finally:
        server.kill()
        server.wait(_START_SECONDS)


def _answers(uri: SecretStr) -> bool:
    client: MongoClient[Mapping[str, object]] = MongoClient(
        uri.get_secret_value(), serverSelectionTimeoutMS=200
    )
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True


def _program() -> Path:
    """The program on PATH, where it is of this version, else one that Go has built or builds."""
    installed = shutil.which("ferretdb")
    if installed is not None and _VERSION in _version(Path(installed)):
        return Path(installed)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = caches / "recsys-tests" / f"ferretdb-{_VERSION}" / "ferretdb"
    if not built.exists():
        _build(built.parent)
    return built


def _version(program: Path) -> str:
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return asked.stdout


def _build(folder: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip(f"no ferretdb {_VERSION} and no Go to build it on PATH")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source = Path(scratch) / "source"
        said = _go(folder, "mod", "download", "-json", f"{_MODULE}@v{_VERSION}")
        shutil.copytree(json.loads(said)["Dir"], source, copy_function=shutil.copyfile)
        # The program wants a file that its module lacks, and what `go install` makes ends at once.
        (source / "build" / "version").chmod(0o700)
        (source / "build" / "version" / "version.txt").write_text(f"v{_VERSION}", encoding="utf-8")
        _go(source, "build", "-buildvcs=false", "-o", "../ferretdb", "./cmd/ferretdb")
        (Path(scratch) / "ferretdb").replace(folder / "ferretdb")


def _go(folder: Path, *arguments: str) -> str:
    """What a go command prints; skips the test where it fails or takes too long."""
    try:
        done = subprocess.run(
            ["go", *arguments],
            cwd=folder,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"go {arguments[0]} did not get FerretDB within {_BUILD_SECONDS} s")
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word"])[-1]
        pytest.skip(f"go {arguments[0]} could not get FerretDB: {last}")
    return done.stdout
