"""Erasing a person: from the lake, the models, the quarantine and every kept run, with proof."""

import logging
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.files import StoredFile, fresh, read_table, remove, unverified_table
from jobs.lake.manifests import MANIFEST
from jobs.lake.partitions import Lake, Partition, write_part
from jobs.sinks.base import Sink
from jobs.sinks.postgres.erasing import forget_nameless, nameless_mentions
from jobs.sinks.postgres.sink import PostgresSink
from jobs.stores.models import MODELS
from jobs.stores.reports import reports_naming
from recsys import columns as c
from recsys.config import Config
from recsys.ids import UserId
from recsys.naming import Naming
from recsys.schemas import HISTORIES, ITEMS, LISTS, RECENT_EVENTS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Erasure:
    """Everything that was erased, and what a search still finds afterwards."""

    rewritten: int
    """Partitions that lost rows."""
    dropped: int
    """Partitions and reports that were removed whole; their jobs make them again."""
    left: int
    """Places that still name the person; 0 is the proof."""


def erase(
    record: PostgresSink, sinks: Collection[Sink], lake: Lake, config: Config, user: UserId
) -> Erasure:
    """Erases a user everywhere but in the sources, while no job uses the lake.

    Matrices and models in which the user has a row are dropped whole, because the rows of the
    others are numbered around it. Every step leaves what it has not done yet to be found again, so
    an erasure that broke off is called again with the same user.
    record, sinks: the sink of record and those that follow it.
    """
    with lake.alone():
        naming = Naming.of(config.ids, config.sources)
        # First the record: what follows it then cannot get the user's lists again.
        record.forget([user])
        forget_nameless(record.uri, naming, user)
        for sink in sinks:
            sink.forget([user])
        lake.sweep()
        dropped = _drop_damaged(lake) + _drop_matrices(lake, user) + _drop_reports(lake, user)
        if naming.of_people:
            dropped += _drop_lists(lake, naming, user)
        rewritten = sum(_rewrite(partition, naming, user) for partition in lake.partitions())
        left = mentions(record, lake, config, user) + sum(sink.mentions(user) for sink in sinks)
        return Erasure(rewritten, dropped, left)


def mentions(record: PostgresSink, lake: Lake, config: Config, user: UserId) -> int:
    """Rows of the published side and of every file of the lake that hold something of a user, and
    reports that do."""
    naming = Naming.of(config.ids, config.sources)
    published = record.mentions(user) + nameless_mentions(record.uri, naming, user)
    files = fresh(lake.root).glob("**/*.parquet")
    rows = sum(_count(unverified_table(file), naming, user) for file in files)
    return published + rows + len(reports_naming(lake, user))


# --- the lake -------------------------------------------------------------------------------------


def _drop_damaged(lake: Lake) -> int:
    """Removes partitions of which nobody can say whether they name the user."""
    damaged = [partition for partition in lake.partitions() if not partition.intact()]
    for partition in damaged:
        log.warning("%s: damaged, removed", partition.label)
        remove(partition.path)
    return len(damaged)


def _drop_matrices(lake: Lake, user: UserId) -> int:
    """Removes matrices that have a row of the user with the models trained on them and the events
    kept beside them, and models and events whose matrix is not there any more. A matrix goes last:
    it tells what to remove."""
    matrices = lake.root / HISTORIES.name
    naming = {
        partition.path.name
        for partition in lake.partitions()
        if partition.path.parent == matrices and _has_row(partition, user)
    }
    models = [
        folder
        for folder in (
            *fresh(lake.root / MODELS).glob("*/as_of=*"),
            *fresh(lake.root / RECENT_EVENTS.name).glob("as_of=*"),
        )
        if folder.name in naming or not (matrices / folder.name / MANIFEST).is_file()
    ]
    gone = [*models, *(matrices / name for name in sorted(naming))]
    for folder in gone:
        remove(folder)
    return len(gone)


def _drop_lists(lake: Lake, naming: Naming, user: UserId) -> int:
    """Removes indexes of items and lists of others that name a person: rows are numbered by the
    one, and the others would end early."""
    tables = {lake.root / name for name in (ITEMS.name, LISTS.name)}
    partitions = [each for each in lake.partitions() if each.path.parent in tables]
    named = [
        each.path
        for each in partitions
        if any(_count(read_table(file), naming, user) for file in _tables(each))
    ]
    for path in named:
        remove(path)
    return len(named)


def _drop_reports(lake: Lake, user: UserId) -> int:
    """Removes reports that show the user's list; `recsys report` makes them again, of others."""
    shown = reports_naming(lake, user)
    for file in shown:
        remove(file)
    return len(shown)


def _has_row(partition: Partition, user: UserId) -> bool:
    tables = (read_table(file, columns=[c.USER_ID]) for file in _tables(partition))
    return any(pc.any(pc.equal(table[c.USER_ID], user)).as_py() for table in tables)


def _rewrite(partition: Partition, naming: Naming, user: UserId) -> bool:
    """Replaces a partition by one without the rows that name the user, if it has such rows."""
    with partition.replace() as draft:
        before = partition.manifest()
        tables = [read_table(file) for file in _tables(partition)]
        if not any(_count(table, naming, user) for table in tables):
            draft.cancelled = True
            return False
        for number, table in enumerate(tables):
            kept = table.filter(pc.invert(naming.rows_of(table, user)))
            name = f"part-{number:05d}"
            draft.files.append(write_part(draft.folder, name, kept.schema, kept.to_batches()))
        draft.stats |= before.stats
    return True


def _tables(partition: Partition) -> list[StoredFile]:
    return [file for file in partition.files() if file.path.suffix == ".parquet"]


def _count(table: pa.Table, naming: Naming, user: UserId) -> int:
    return int(pc.sum(naming.rows_of(table, user)).as_py() or 0)
