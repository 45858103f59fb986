"""The embedded MongoDB: a `mongod` from PATH, else the nx-27017 wheel, on a unix socket only.

nx-27017 speaks MongoDB's wire protocol over SQLite files. A folder keeps the engine that made it,
since neither reads the other's files.
"""

import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from jobs.sandbox.processes import alive, end, find_all, last_lines, launch, wait_until
from jobs.sandbox.sockets import make_closed, socket_folder
from recsys.errors import PrerequisiteError, SandboxError

DATABASE: Final = "recsys"

_SOCKET_NAME: Final = "mongo.sock"
_MONGOD: Final = "mongod"
_NX: Final = "nx-27017"
_NX_MODULE: Final = "jobs.sandbox.nx_socket"
_NX_BY_PORT: Final = "nx_27017.nx_27017"
"""What an earlier version started, on a port."""
_ENGINES: Final = (_MONGOD, _NX)
_START_SECONDS: Final = 60.0
_PING_MILLISECONDS: Final = 2000


@dataclass(frozen=True)
class MongoServer:
    """One server over the folder `home`."""

    home: Path

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / "server.log"

    @property
    def _socket(self) -> Path:
        return socket_folder(self.home, _SOCKET_NAME) / _SOCKET_NAME

    def start(self) -> None:
        """Starts the server unless it runs."""
        process = self.process()
        if process is not None and not self._socket.exists():
            # Its folder was deleted under it: what it holds is on no disk any more.
            end(process)
            process = None
        if process is None or not self._answers_in_time(process):
            process = self._launch()
            if not self._answers_in_time(process):
                raise SandboxError(
                    f"MongoDB did not start in {self.home}; its log: {last_lines(self.log)}"
                )

    def stop(self) -> None:
        """Stops the server."""
        for process in list(find_all(self._is_ours)):
            end(process)
        with suppress(OSError):  # the folder may be gone, or hold what is not ours
            self._socket.unlink(missing_ok=True)
            self._socket.parent.rmdir()

    def process(self) -> psutil.Process | None:
        """The running server, known by its command line: pids are recycled."""
        return next(find_all(self._is_ours), None)

    def answers(self) -> bool:
        """True if the server answers a ping."""
        return self.process() is not None and _ping(self._uri())

    def uri(self) -> str:
        """URI of the database; raises SandboxError when the server does not run."""
        if self.process() is None:
            raise SandboxError(
                f"MongoDB does not run in {self.home}: start it with `recsys sandbox up`"
            )
        return self._uri()

    def _uri(self) -> str:
        return f"mongodb://{quote(str(self._socket), safe='')}/{DATABASE}"

    def _answers_in_time(self, process: psutil.Process) -> bool:
        """Waits until the server answers a ping, and ends one that does not."""

        def answers() -> bool:
            return self._socket.exists() and _ping(self._uri())

        wait_until(lambda: not alive(process) or answers(), _START_SECONDS)
        if alive(process) and answers():
            return True
        end(process)
        return False

    def _launch(self) -> psutil.Process:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = self._engine()
        data = self.home / engine
        make_closed(self._socket.parent)
        # What a killed server left; the present one is known by its process.
        self._socket.unlink(missing_ok=True)
        command = _COMMANDS[engine](data, self._socket)
        data.mkdir(exist_ok=True, mode=0o700)
        return launch(command, self.home, self.log)

    def _engine(self) -> str:
        for engine in _ENGINES:
            if (self.home / engine).exists():
                return engine
        return _MONGOD if shutil.which(_MONGOD) else _NX

    def _is_ours(self, process: psutil.Process) -> bool:
        words = process.cmdline()
        if not words or not {str(self.home / engine) for engine in _ENGINES} & set(words):
            return False
        return Path(words[0]).name == _MONGOD or bool({_NX_MODULE, _NX_BY_PORT} & set(words))


def _mongod_command(data: Path, socket: Path) -> list[str]:
    program = shutil.which(_MONGOD)
    if program is None:
        raise PrerequisiteError(f"mongod made {data} and is not on PATH: install it again")
    return [
        program,
        *("--dbpath", str(data)),
        *("--bind_ip", str(socket)),
        # Where it makes another one, by the number of its port.
        *("--unixSocketPrefix", str(socket.parent)),
    ]


def _nx_command(data: Path, socket: Path) -> list[str]:
    if find_spec("nx_27017") is None:
        raise PrerequisiteError("package nx-27017 is not installed: pip install 'recsys[sandbox]'")
    return [sys.executable, "-m", _NX_MODULE, str(data), str(socket)]


_COMMANDS: Final[dict[str, Callable[[Path, Path], list[str]]]] = {
    _MONGOD: _mongod_command,
    _NX: _nx_command,
}


def _ping(uri: str) -> bool:
    client: MongoClient[dict[str, object]] = MongoClient(
        uri, serverSelectionTimeoutMS=_PING_MILLISECONDS
    )
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True
