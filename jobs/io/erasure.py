"""Erasing a person: from the lake, the models, the quarantine and every kept run, with proof."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr

from jobs.io.features import MODELS
from jobs.io.files import StoredFile, read_table, remove
from jobs.io.lake import Lake, Partition, write_part
from jobs.io.postgres import connect
from jobs.io.statements import statement
from recsys import columns as c
from recsys.config import Config
from recsys.schemas import INTERACTIONS

UserId = int | str


@dataclass(frozen=True)
class Erasure:
    """What was done, and what a search of everything still finds afterwards."""

    rewritten: int
    """Partitions that lost rows."""
    dropped: int
    """Partitions that were removed whole; their jobs make them again."""
    left: int
    """Places that still name the person; 0 is the proof."""


def erase(uri: SecretStr, lake: Lake, config: Config, user: UserId) -> Erasure:
    """Erases a user everywhere but in the sources.

    Matrices and models in which the user has a row are dropped whole, because the rows of the
    others are numbered around it.
    """
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("publish/forget_user"), {"user_id": user})
    dropped = _drop_matrices(lake, user)
    rewritten = sum(_rewrite(partition, config, user) for partition in lake.partitions())
    return Erasure(rewritten, dropped, mentions(uri, lake, config, user))


def mentions(uri: SecretStr, lake: Lake, config: Config, user: UserId) -> int:
    """Rows of the lake and of the published side that hold something of a user."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("lookup/mentions"), {"user_id": user})
        (published,) = cursor.fetchone() or (0,)
    files = (file for partition in lake.partitions() for file in _tables(partition))
    return int(published) + sum(_rows_of(read_table(file), config, user) for file in files)


def _rows_of(table: pa.Table, config: Config, user: UserId) -> int:
    return int(pc.sum(_names(table, config, user)).as_py() or 0)


def _tables(partition: Partition) -> list[StoredFile]:
    return [file for file in partition.files() if file.path.suffix == ".parquet"]


def _drop_matrices(lake: Lake, user: UserId) -> int:
    dropped = 0
    for partition in lake.partitions():
        if partition.path.parent.name != INTERACTIONS.name:
            continue
        if any(
            pc.any(pc.equal(read_table(f)[c.USER_ID], user)).as_py() for f in _tables(partition)
        ):
            models = (lake.root / MODELS).glob(f"*/{partition.path.name}")
            for folder in (partition.path, *models):
                remove(folder)
                dropped += 1
    return dropped


def _rewrite(partition: Partition, config: Config, user: UserId) -> bool:
    """Replaces a partition by one without the rows that name the user, if it has such rows."""
    tables = [(file, read_table(file)) for file in _tables(partition)]
    if not any(_rows_of(table, config, user) for _, table in tables):
        return False
    stats = partition.manifest().stats
    with partition.replace() as draft:
        for number, (_, table) in enumerate(tables):
            kept = table.filter(pc.invert(_names(table, config, user)))
            name = f"part-{number:05d}"
            draft.files.append(write_part(draft.folder, name, kept.schema, kept.to_batches()))
        draft.stats |= stats
    return True


def _names(table: pa.Table, config: Config, user: UserId) -> pa.ChunkedArray:
    """(rows,) bool, whether a row names the user, by its id column or in the row as read."""
    found = pa.chunked_array([pa.array([False] * table.num_rows)])
    if c.USER_ID in table.column_names:
        found = pc.fill_null(pc.equal(table[c.USER_ID], user), False)
    if c.SOURCE_ROW not in table.column_names:
        return found
    rows = (json.loads(row) if row else {} for row in table[c.SOURCE_ROW].to_pylist())
    fields = _user_fields(config)
    quoted = [any(str(value) == str(user) for value in _values(row, fields)) for row in rows]
    return pc.or_(found, pa.chunked_array([pa.array(quoted, pa.bool_())]))


def _user_fields(config: Config) -> frozenset[str]:
    """Under which names rows as read may hold the user's id: the sources' and the lake's own."""
    sources = config.sources.configured().values()
    fields = (source.fields().get(c.USER_ID, ()) for source in sources)
    return frozenset({c.USER_ID, *(name for names in fields for name in names)})


def _values(row: Mapping[str, Any], fields: frozenset[str]) -> Iterator[Any]:
    for field in fields:
        value: Any = row
        for step in field.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            yield value
