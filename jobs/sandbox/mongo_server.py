"""The embedded MongoDB: a `mongod` from PATH, else the nx-27017 wheel, on loopback only.

nx-27017 speaks MongoDB's wire protocol over SQLite files. A folder keeps the engine that made it,
since neither reads the other's files.
"""

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from jobs.sandbox.processes import alive, end, find_all, last_lines, launch, wait_until
from recsys.errors import PrerequisiteError, SandboxError

DATABASE: Final = "recsys"

_HOST: Final = "127.0.0.1"
_MONGOD: Final = "mongod"
_NX: Final = "nx-27017"
_NX_MODULE: Final = "nx_27017.nx_27017"
_ENGINES: Final = (_MONGOD, _NX)
_START_SECONDS: Final = 60.0
_PING_MILLISECONDS: Final = 2000


@dataclass(frozen=True)
class MongoServer:
    """One server over the folder `home`."""

    home: Path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.home / "server.log"

    @property
    def _state(self) -> Path:
        return self.home / "state.json"

    def start(self) -> None:
        """Starts the server unless it runs, on the port of last time where that is free."""
        process = self.process()
        if process is not None and not self._state.exists():
            # Its folder was deleted under it: what it holds is on no disk any more.
            end(process)
            process = None
        if process is None or not _answers_in_time(process):
            process = self._launch()
            if not _answers_in_time(process):
                raise SandboxError(
                    f"MongoDB did not start in {self.home}; its log: {last_lines(self.log)}"
                )

    def stop(self) -> None:
        """Stops the server."""
        for process in list(find_all(self._is_ours)):
            end(process)

    def process(self) -> psutil.Process | None:
        """The running server, known by its command line: pids are recycled."""
        return next(find_all(self._is_ours), None)

    def answers(self) -> bool:
        """Whether the server answers a ping."""
        process = self.process()
        port = None if process is None else _listening_port(process)
        return port is not None and _ping(port)

    def uri(self) -> str:
        """Where the database is; raises SandboxError when the server does not run."""
        process = self.process()
        port = None if process is None else _listening_port(process)
        if port is None:
            raise SandboxError(
                f"MongoDB does not run in {self.home}: start it with `recsys sandbox up`"
            )
        return f"mongodb://{_HOST}:{port}/{DATABASE}"

    def _launch(self) -> psutil.Process:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = self._engine()
        data = self.home / engine
        command = _COMMANDS[engine](data, port := self._choose_port())
        data.mkdir(exist_ok=True, mode=0o700)
        process = launch(command, self.home, self.log)
        self._write_state(port, process.pid)
        return process

    def _engine(self) -> str:
        for engine in _ENGINES:
            if (self.home / engine).exists():
                return engine
        return _MONGOD if shutil.which(_MONGOD) else _NX

    def _choose_port(self) -> int:
        """The port of last time, so that a URI in somebody's shell stays right; else a free one."""
        for port in (self._last_port(), 0):
            with socket.socket() as probe, suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((_HOST, port))
                return int(probe.getsockname()[1])
        raise SandboxError(f"no free port on {_HOST}: end some programs that listen")

    def _last_port(self) -> int:
        """The recorded port, 0 for none."""
        try:
            return int(json.loads(self._state.read_text(encoding="utf-8"))["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _write_state(self, port: int, pid: int) -> None:
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps({"port": port, "pid": pid}), encoding="utf-8")
        fresh.replace(self._state)

    def _is_ours(self, process: psutil.Process) -> bool:
        words = process.cmdline()
        if not words or not {str(self.home / engine) for engine in _ENGINES} & set(words):
            return False
        return Path(words[0]).name == _MONGOD or _NX_MODULE in words


def _mongod_command(data: Path, port: int) -> list[str]:
    program = shutil.which(_MONGOD)
    if program is None:
        raise PrerequisiteError(f"mongod made {data} and is not on PATH: install it again")
    return [
        program,
        *("--dbpath", str(data)),
        *("--bind_ip", _HOST),
        *("--port", str(port)),
        "--nounixsocket",
    ]


def _nx_command(data: Path, port: int) -> list[str]:
    if find_spec("nx_27017") is None:
        raise PrerequisiteError("package nx-27017 is not installed: pip install 'recsys[sandbox]'")
    pid_file = data.parent / "nx.pid"
    # It refuses to start where the file names a living process, whatever that is by now.
    pid_file.unlink(missing_ok=True)
    return [
        *(sys.executable, "-m", _NX_MODULE),
        *("--data-dir", str(data)),
        *("--host", _HOST),
        *("--port", str(port)),
        *("--pid-file", str(pid_file)),
        # Its standard error carries the same lines, and the tracebacks too.
        *("--log-file", os.devnull),
    ]


_COMMANDS: Final[dict[str, Callable[[Path, int], list[str]]]] = {
    _MONGOD: _mongod_command,
    _NX: _nx_command,
}


def _answers_in_time(process: psutil.Process) -> bool:
    """Waits until the server answers a ping, and ends one that does not."""

    def answers() -> bool:
        port = _listening_port(process)
        return port is not None and _ping(port)

    wait_until(lambda: not alive(process) or answers(), _START_SECONDS)
    if alive(process) and answers():
        return True
    end(process)
    return False


def _listening_port(process: psutil.Process) -> int | None:
    """The port it listens on; asking for it shows that no other program holds the port."""
    try:
        sockets = process.net_connections("tcp")
    except psutil.Error:
        return None
    return next((each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN), None)


def _ping(port: int) -> bool:
    client: MongoClient[dict[str, object]] = MongoClient(
        _HOST, port, serverSelectionTimeoutMS=_PING_MILLISECONDS
    )
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True
