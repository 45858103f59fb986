"""SIGTERM and Ctrl-C: one message, nothing half written, nothing left running."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from recsys.errors import InterruptedRunError, RecsysError, TerminatedError

GRACE_SECONDS: Final = 10.0
"""Time to drop what is half written; code outside Python may notice a signal later or never."""

_ERRORS: Final[dict[int, type[RecsysError]]] = {
    signal.SIGINT: InterruptedRunError,
    signal.SIGTERM: TerminatedError,
}
_POLL_SECONDS: Final = 0.2


class _Stop(BaseException):
    """Unwinds the main thread; no handler of ordinary errors may take it for one."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turns SIGTERM and Ctrl-C into TerminatedError and InterruptedRunError.

    The first one ends the Spark that this process has started, passes the signal on to other
    children, and unwinds the main thread. Where that takes longer than GRACE_SECONDS, or at the
    same signal again, the process ends as it is: what is half written is in no manifest and no
    transaction. Signals reach the main thread only: elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch()
    before = {number: signal.signal(number, watch.unwind) for number in _ERRORS}
    wakeup = signal.set_wakeup_fd(watch.sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch.run, name="interruptions", daemon=True).start()
    try:
        yield
    except BaseException as error:
        number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else watch.number
        if number is None:
            raise
        watch.told = True
        raise _error(number) from error
    finally:
        if watch.number is None:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            watch.close()


def _error(number: int) -> RecsysError:
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    return _ERRORS[number](f"stopped by {name} before the end; run it again")


class _Watch:
    """The thread that hears of signals at once, whatever the main thread does."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.told = False
        """Whether the main thread has the error, and says so."""
        self._receiver, self.sender = socket.socketpair()
        self.sender.setblocking(False)
        self._receiver.settimeout(None)

    def unwind(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal in the main thread."""
        del frame
        if self.number is None:
            self.number = number
            raise _Stop

    def close(self) -> None:
        """Ends the thread, which closes the other end."""
        self.sender.close()

    def run(self) -> None:
        number = self._next()
        if number is None:
            self._receiver.close()
            return
        ended: set[int] = set()
        deadline = time.monotonic() + GRACE_SECONDS
        self._receiver.settimeout(_POLL_SECONDS)
        while time.monotonic() < deadline:
            # Again and again: Spark may be about to be started.
            _end_children(ended)
            if self._next() == number:
                break
        if not self.told:
            sys.stderr.write(f"error: {_error(number)}\n")
            sys.stderr.flush()
        os._exit(_ERRORS[number].exit_code)

    def _next(self) -> int | None:
        """The next signal that ends the process; None where time is up or none can come."""
        with suppress(TimeoutError):
            while received := self._receiver.recv(1):
                if received[0] in _ERRORS:
                    return received[0]
        return None


def _end_children(ended: set[int]) -> None:
    """Kills the Java that this process started, and tells its other children to end."""
    import psutil  # noqa: PLC0415 - commands that are not stopped need not wait for it

    for child in psutil.Process().children():
        if child.pid in ended:
            continue
        with suppress(psutil.Error):
            ended.add(child.pid)
            if child.name() == "java":
                child.kill()
            else:
                child.terminate()
