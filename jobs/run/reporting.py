"""Errors and the log on standard error, without passwords."""

import logging
import sys
import time
import traceback
from types import TracebackType
from typing import Final

from jobs.run.settings import printable
from recsys.errors import RecsysError

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def start_log() -> None:
    """Sends the log to standard error, in UTC and without passwords."""
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(_Printable(_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[shown])
    for name in ("jobs", "__main__"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.Formatter.converter = time.gmtime
    sys.excepthook = show_traceback


class _Printable(logging.Formatter):
    """Formats a record, with its traceback, without passwords."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def report(error: RecsysError, *, debug: bool = False) -> int:
    """Prints an error's one message, with `debug` after its traceback; gives its exit code."""
    if debug:
        show_traceback(type(error), error, error.__traceback__)
    sys.stderr.write(printable(f"error: {error}\n"))
    return error.exit_code


def show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Prints a traceback, and those of the errors behind it, without passwords."""
    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, trace))))
