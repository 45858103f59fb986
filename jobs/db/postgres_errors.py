"""Errors of the Postgres drivers as errors of the project, each cause with its own remedy."""

import re
from collections.abc import Mapping
from typing import Final

import psycopg2
from adbc_driver_manager import Error as AdbcError

from recsys.errors import (
    DataError,
    MappingError,
    PostgresLockedError,
    PostgresUnavailableError,
    PublishedSideError,
    RecsysError,
    SettingsError,
)

Cause = tuple[type[RecsysError], str, str]
"""The class of the error, what is wrong, and what to do."""

_AGAIN: Final = "run again"
_SHUT_DOWN: Final[Cause] = (
    PostgresUnavailableError,
    "Postgres is starting, stopping or recovering",
    "run again when it is up",
)
_MISSING: Final[Cause] = (
    MappingError,
    "Postgres does not have something that was asked for",
    "correct [sources], or what a view or function of the source uses",
)
_NO_SCHEMA: Final[Cause] = (
    PublishedSideError,
    "the database has no published side of this version",
    "run `recsys migrate`",
)
_SILENT: Final[Cause] = (
    PostgresUnavailableError,
    "Postgres does not answer",
    "check that the server runs and RECSYS_POSTGRES_URI points at it",
)

_NO_SCHEMA_TEXT: Final = re.compile(
    r'(relation "|function |column )recs\.|schema "recs"|^role "recsys_writer" does not exist'
)
_BY_STATE: Final[Mapping[str, Cause]] = {
    "08": _SILENT,
    "22": (DataError, "Postgres refuses a value", "correct it where it comes from"),
    "23": (DataError, "Postgres refuses a row", "correct it where it comes from"),
    "25006": (
        PublishedSideError,
        "the server only reads: a standby, or default_transaction_read_only is on",
        "point RECSYS_POSTGRES_URI at the primary, or let the login write",
    ),
    "2BP01": (
        PublishedSideError,
        "something of yours is made of what a migration makes anew",
        "remove it, migrate, and make it again; the log of the server names it",
    ),
    "28": (
        SettingsError,
        "Postgres refuses the login",
        "correct user and password in RECSYS_POSTGRES_URI, or pg_hba.conf of the server",
    ),
    "3D000": (SettingsError, "there is no such database", "correct RECSYS_POSTGRES_URI"),
    "3F000": _MISSING,
    "40": (PostgresUnavailableError, "another transaction came between", _AGAIN),
    "42501": (
        PublishedSideError,
        "the login lacks a right",
        "grant it; docs/operations.md lists what each login needs",
    ),
    "42704": _MISSING,
    "42703": _MISSING,
    "42883": _MISSING,
    "42P01": _MISSING,
    "53100": (
        PostgresUnavailableError,
        "the disk of Postgres is full",
        "free space on its server, then run again",
    ),
    "53200": (PostgresUnavailableError, "Postgres ran out of memory", _AGAIN),
    "53300": (
        PostgresUnavailableError,
        "Postgres has no connection left",
        "end idle sessions or raise max_connections, then run again",
    ),
    "54": (DataError, "Postgres cannot hold a value", "shorten it where it comes from"),
    "55P03": (
        PostgresLockedError,
        "another session holds a lock for too long",
        "end that session, or run again when it is done",
    ),
    "57014": (
        PostgresUnavailableError,
        "Postgres broke off a statement",
        "run again, or raise the limit that the message names",
    ),
    "57P": _SHUT_DOWN,
    "58": (PostgresUnavailableError, "Postgres cannot read or write its files", "see its log"),
    "P0": (DataError, "Postgres refuses a value", "correct it where it comes from"),
    "XX": (PostgresUnavailableError, "Postgres failed inside", "see its log"),
}

_BY_TEXT: Final[Mapping[str, str]] = {
    "too many clients": "53300",
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "No space left on device": "53100",
    "the database system is": "57P03",
    "authentication failed": "28P01",
    "no pg_hba.conf entry": "28000",
    "no password supplied": "28P01",
    "is not permitted to log in": "28000",
    "does not exist": "3D000",
}
"""States of errors that come before there is a session, for which drivers give the text alone."""


def postgres_error(error: Exception, doing: str = "", waited_for: str = "") -> RecsysError | None:
    """The project's error for one of a Postgres driver; None where the statement itself is wrong.

    doing: what broke off, for a message that starts with it.
    waited_for: the sessions that the statement waited for, if it did.
    """
    state, detail = _state(error), first_line(error)
    cause = _cause(state, detail)
    if cause is None:
        return None
    kind, wrong, remedy = cause
    if kind is PostgresLockedError and waited_for:
        detail += f": {waited_for}"
    if doing and cause is _SILENT:
        return kind(
            f"{doing} broke off ({detail}); run again, and where it "
            "breaks off again see the log of its server"
        )
    return kind(f"{doing + ': ' if doing else ''}{wrong} ({detail}); {remedy}")


def _state(error: Exception) -> str | None:
    """The SQLSTATE, as far as it is known."""
    state = error.pgcode if isinstance(error, psycopg2.Error) else getattr(error, "sqlstate", None)
    if state:
        return str(state)
    said = str(error)
    return next((known for text, known in _BY_TEXT.items() if _fatal(said, text)), None)


def _fatal(said: str, text: str) -> bool:
    """True if a server that refuses a connection says so."""
    return "FATAL:" in said and text in said.partition("FATAL:")[2]


def _cause(state: str | None, detail: str) -> Cause | None:
    if state is None:
        return _SILENT
    if state[:2] in {"22", "42", "3F"} and state != "42501" and _NO_SCHEMA_TEXT.search(detail):
        return _NO_SCHEMA
    return next((_BY_STATE[state[:n]] for n in (5, 3, 2) if state[:n] in _BY_STATE), None)


def first_line(error: Exception) -> str:
    """The essence of a driver's message, without statement, hints and context."""
    lines = str(error).strip().splitlines() or ["no detail"]
    if isinstance(error, AdbcError):
        # The driver puts the statement before what the server says.
        said = (line.partition(mark)[2] for line in lines for mark in _MARKS if mark in line)
        return next(said, lines[0]).strip()
    return lines[0]


_MARKS: Final = ("ERROR:", "FATAL:", "PANIC:")
