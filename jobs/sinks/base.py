"""The contract of a sink: a place that apps get lists from.

Postgres is the sink of record: it numbers runs, keeps what the audit found, and says which run is
live. The others follow it (`jobs.sinks.following`). A module of this room with `Config` and
`open_sink` is a sink; `[sinks.<module>]` turns it on.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import SecretStr

from recsys.as_of import AsOf
from recsys.errors import DataError
from recsys.ids import UserId
from recsys.sections.base import Section

_MODEL: Final = re.compile("[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class RunRecord:
    """Facts of a run that are known from its start."""

    as_of: AsOf
    config_hash: str
    code_version: str
    models: Sequence[str]
    """Names of the models; the lists refer to them by position, from 0."""
    stats: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Raises DataError for a name that no generator can have: it comes from a file."""
        odd = [name for name in self.models if not _MODEL.fullmatch(name)]
        if odd:
            raise DataError(
                f"the lists of {self.as_of} name a model {odd[0]!r}, which is no identifier; make "
                "them again"
            )


@dataclass(frozen=True)
class RunTables:
    """Tables of a run that are published."""

    lists: ds.Dataset
    """The `lists` table; may be a stream that is read once."""
    fallback: pa.Table
    """The `fallback` table."""
    quarantine: ds.Dataset | None = None
    """The `quarantine` table, for the sink of record alone."""


@dataclass(frozen=True)
class Staged:
    """A run whose lists are all in a sink, where nobody sees them yet."""

    run_id: int
    users: int
    list_hash: str = ""
    """Checksum of all lists, equal for runs that published the same; empty where there is none."""


class Publication(Protocol):
    """A publication in progress, of which a sink has one at a time."""

    def stage(self, run_id: int, run: RunRecord, tables: RunTables) -> Staged:
        """Writes a run's lists beside those that can be seen, and checks that all are there."""

    def complete(self, staged: Staged, *, live: bool) -> None:
        """Makes a staged run one of those that are kept and, with `live`, the one that readers get.

        One atomic change: killed within it, a sink has all of it or nothing.
        """

    def retire(self, keep: int) -> None:
        """Lets old runs go: of those that have been live the newest `keep` stay, and as many of the
        others. The live one stays. A reader is not waited for."""


class Sink(Protocol):
    """A place that apps get lists from."""

    def publication(self) -> AbstractContextManager[Publication]:
        """Waits until no other publication runs, and clears up after those that were killed."""

    def live(self) -> int | None:
        """The run that readers get; None before the first."""

    def runs(self) -> Sequence[int]:
        """The runs that are kept, newest first, the live one among them."""

    def rollback(self, run_id: int | None = None) -> int:
        """Makes another kept run live, by default the one that was live before; gives its number.

        Raises RunNotThereError where it is not kept or is live already.
        """

    def forget(self, users: Collection[UserId]) -> None:
        """Deletes users' lists from every run."""

    def mentions(self, user: UserId) -> int:
        """Lists of a user that are anywhere in the sink, in half-written and retired runs too."""


class SinkModule(Protocol):
    """A module of this room that is a sink."""

    Config: type[Section]

    @staticmethod
    def open_sink(config: Any, record: SecretStr) -> Sink:
        """The sink of a configuration; nothing is written yet. record: the URI of Postgres."""
