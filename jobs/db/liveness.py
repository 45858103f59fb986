"""A limit for servers that stop answering without closing: no driver of Postgres has one.

A server whose processes are stopped keeps its sockets open, and the kernel acknowledges what is
sent to it. So while a statement runs, another thread connects anew from time to time: a server that
works answers that, however long the statement takes. The same connection asks who is in the way of
a statement that waits for a lock.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Any, Final, TypeVar

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE, connection
from pydantic import SecretStr

from jobs.db.postgres_uri import address
from jobs.db.statements import statement
from recsys.errors import PostgresUnavailableError

T = TypeVar("T")

PROBE_EVERY: Final = 5.0
"""Seconds between looks at a statement that runs."""
PROBE_SECONDS: Final = 20
"""How long a server may take to accept a connection."""
PROBES: Final = 2
"""As many in a row must fail: a machine may be busy once."""
_FROZEN: Final = (
    "Postgres took a statement and does not answer any more, nor does it accept a connection; see "
    "whether its processes are stopped or its disk hangs, then run again"
)

log = logging.getLogger(__name__)


@dataclass
class Watch:
    """Observations while the statements of one connection ran."""

    frozen: bool = False
    """Whether the server stopped answering; its connection was cut then."""
    blockers: str = ""
    """Who was last seen in the way of the statement that runs."""
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watched(uri: SecretStr, connected: connection, watch: Watch) -> Iterator[None]:
    """Cuts a connection whose server is frozen, and logs for whom its statements wait."""
    pid = connected.info.backend_pid
    threading.Thread(target=_watch, args=(uri, connected, pid, watch), daemon=True).start()
    try:
        yield
    finally:
        watch.ended.set()


def _watch(uri: SecretStr, connected: connection, pid: int, watch: Watch) -> None:
    failed = 0
    while not watch.ended.wait(PROBE_EVERY):
        if connected.closed or connected.info.transaction_status != TRANSACTION_STATUS_ACTIVE:
            continue
        found = _blockers(uri, pid)
        failed = failed + 1 if found is None else 0
        if failed == PROBES:
            watch.frozen = True
            _cut(connected)
            return
        if found and found != watch.blockers:
            log.warning("waiting for %s", found)
        watch.blockers = found or watch.blockers


def _blockers(uri: SecretStr, pid: int) -> str | None:
    """The sessions that a session waits for, in words; None where the server does not answer."""
    try:
        probe = psycopg2.connect(address(uri, PROBE_SECONDS))
        with closing(probe), probe.cursor() as cursor:
            cursor.execute(statement("session/blockers"), {"pid": pid})
            return "; ".join(text for (text,) in cursor.fetchall())
    except psycopg2.Error as error:
        return None if "timeout expired" in str(error) else ""


def _cut(connected: connection) -> None:
    with suppress(OSError, psycopg2.Error):
        descriptor = socket.socket(fileno=os.dup(connected.fileno()))
        with closing(descriptor):
            descriptor.shutdown(socket.SHUT_RDWR)


def frozen() -> PostgresUnavailableError:
    """The error for a server that stopped answering."""
    return PostgresUnavailableError(_FROZEN)


def streamed(uri: SecretStr, source: Iterator[T]) -> Iterator[T]:
    """Yields what a blocking iterator yields, as long as the server answers.

    For the Arrow driver, of which the socket cannot be had: the iterator runs in a thread of its
    own, which is left behind where the server is frozen. Raises PostgresUnavailableError then.
    """
    made: Queue[tuple[str, Any]] = Queue(maxsize=1)
    left = threading.Event()
    threading.Thread(target=_produce, args=(source, made, left), daemon=True).start()
    failed = 0
    try:
        while True:
            try:
                what, value = made.get(timeout=PROBE_EVERY)
            except Empty:
                failed = failed + 1 if _blockers(uri, 0) is None else 0
                if failed == PROBES:
                    raise frozen() from None
                continue
            if what == "end":
                return
            if what == "error":
                raise value
            yield value
    finally:
        left.set()


def _produce(source: Iterator[T], made: Queue[tuple[str, Any]], left: threading.Event) -> None:
    try:
        for item in source:
            if not _offered(made, ("item", item), left):
                close = getattr(source, "close", None)
                if close:
                    close()
                return
    except BaseException as error:  # raised again by who reads
        _offered(made, ("error", error), left)
    else:
        _offered(made, ("end", None), left)


def _offered(made: Queue[tuple[str, Any]], entry: tuple[str, Any], left: threading.Event) -> bool:
    """Put an entry into the queue; False where nobody reads it any more."""
    while not left.is_set():
        with suppress(Full):
            made.put(entry, timeout=1)
            return True
    return False
