"""Server processes that outlive their starter: launch them, find them again, end them."""

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from recsys.errors import SandboxError

_REQUEST_SECONDS: Final = 10.0
_KILL_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05
# The shell puts the server in the background and ends, so init adopts and later reaps it: a
# long-lived starter keeps no zombie that would look like a running server.
_BACKGROUND: Final = 'log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null & echo $!'


def launch(command: list[str], folder: Path, log: Path) -> psutil.Process:
    """Starts a command in its own session, its output appended to `log`."""
    shell = subprocess.run(
        ["/bin/sh", "-c", _BACKGROUND, "sh", str(log), *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    pid = int(shell.stdout)
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        raise SandboxError(f"{command[0]} ended at once; its log: {last_lines(log)}") from None


def find_all(wanted: Callable[[psutil.Process], bool]) -> Iterator[psutil.Process]:
    """The processes that `wanted` accepts; those that vanish or hide while asked are left out."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if wanted(process):
                yield process


def alive(process: psutil.Process) -> bool:
    """True if it still runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(process: psutil.Process, request: signal.Signals = signal.SIGTERM) -> None:
    """Asks a process to end, then kills it; raises SandboxError when neither helps."""
    for sent, seconds in ((request, _REQUEST_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(sent)
        if wait_until(lambda: not alive(process), seconds):
            return
    raise SandboxError(f"process {process.pid} does not end, not even killed: end it by hand")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Asks again and again until the condition holds or the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log on one line."""
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            tail = deque((line.strip() for line in lines if line.strip()), count)
    except OSError:
        return "none"
    return " | ".join(tail) or "empty"
