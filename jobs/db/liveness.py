"""A limit for servers that stop answering without closing: no driver of Postgres has one.

A server whose processes are stopped keeps its sockets open, and the kernel acknowledges what is
sent to it. So while a statement runs, another thread connects anew from time to time: a server that
works answers that, however long the statement takes. The same connection asks who is in the way of
a statement that waits for a lock.

Where the one process that serves a connection is stopped, the others answer. From outside it looks
like a slow statement, until it passes the limit at which it would have ended itself.
"""

import logging
import os
import socket
import threading
import time
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
OVERDUE_SECONDS: Final = 3660
"""A statement ends itself after the hour of `statement_timeout`, and a minute is for its answer."""
_FROZEN: Final = (
    "Postgres took a statement and does not answer any more, nor does it accept a connection; see "
    "whether its processes are stopped or its disk hangs, then run again"
)

_ONE_FROZEN: Final = (
    "Postgres answers others, but not a statement that its own limit of an hour should have ended; "
    "see whether the process that serves it is stopped, then run again"
)

log = logging.getLogger(__name__)


@dataclass
class Watch:
    """Observations while the statements of one connection ran."""

    frozen: str = ""
    """How the server stopped answering; its connection was cut then."""
    blockers: str = ""
    """Who was last seen in the way of the statement that runs."""
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class _Probe:
    """What a server says of one of its sessions."""

    blockers: str = ""
    """The sessions that it waits for, in words."""
    overdue: bool = False
    """Whether its statement has passed its own limit."""


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
        found = _probed(uri, pid)
        failed = failed + 1 if found is None else 0
        if failed == PROBES or (found and found.overdue):
            watch.frozen = _ONE_FROZEN if found else _FROZEN
            _cut(connected)
            return
        blockers = found.blockers if found else ""
        if blockers and blockers != watch.blockers:
            log.warning("waiting for %s", blockers)
        watch.blockers = blockers or watch.blockers


def _probed(uri: SecretStr, pid: int) -> _Probe | None:
    """What the server says of a session; None where it does not answer."""
    try:
        probe = psycopg2.connect(address(uri, PROBE_SECONDS))
        with closing(probe), probe.cursor() as cursor:
            cursor.execute(statement("session/blockers"), {"pid": pid})
            blockers = "; ".join(text for (text,) in cursor.fetchall())
            cursor.execute(statement("session/overdue"), {"pid": pid, "seconds": OVERDUE_SECONDS})
            (overdue,) = cursor.fetchone() or (False,)
            return _Probe(blockers, overdue)
    except psycopg2.Error as error:
        return None if "timeout expired" in str(error) else _Probe()


def _cut(connected: connection) -> None:
    with suppress(OSError, psycopg2.Error):
        descriptor = socket.socket(fileno=os.dup(connected.fileno()))
        with closing(descriptor):
            descriptor.shutdown(socket.SHUT_RDWR)


def frozen(how: str) -> PostgresUnavailableError:
    """The error for a server that stopped answering. how: as in `Watch`."""
    return PostgresUnavailableError(how)


def streamed(uri: SecretStr, source: Iterator[T]) -> Iterator[T]:
    """Yields what a blocking iterator yields, as long as the server answers.

    For the Arrow driver, of which the socket cannot be had: the iterator runs in a thread of its
    own, which is left behind where the server, or the one process that serves it, is frozen.
    Raises PostgresUnavailableError then.
    """
    made: Queue[tuple[str, Any]] = Queue(maxsize=1)
    left = threading.Event()
    threading.Thread(target=_produce, args=(source, made, left), daemon=True).start()
    failed, last = 0, time.monotonic()
    try:
        while True:
            try:
                what, value = made.get(timeout=PROBE_EVERY)
            except Empty:
                failed = failed + 1 if _probed(uri, 0) is None else 0
                if failed == PROBES:
                    raise frozen(_FROZEN) from None
                if time.monotonic() - last > OVERDUE_SECONDS:
                    raise frozen(_ONE_FROZEN) from None
                continue
            if what == "end":
                return
            if what == "error":
                raise value
            yield value
            last = time.monotonic()
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
