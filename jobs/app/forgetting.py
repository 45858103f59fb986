"""Erasing a person: from the lake, the models, the quarantine and every kept run, with proof."""

import logging
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from jobs.lake.files import StoredFile, fresh, read_table, remove, unverified_table
from jobs.lake.manifests import MANIFEST
from jobs.lake.partitions import Lake, Partition, write_part
from jobs.stores.models import MODELS
from recsys import columns as c
from recsys.config import Config
from recsys.ids import UserId
from recsys.naming import Naming
from recsys.schemas import HISTORIES

log = logging.getLogger(__name__)


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
    """Erases a user everywhere but in the sources, while no job uses the lake.

    Matrices and models in which the user has a row are dropped whole, because the rows of the
    others are numbered around it. Every step leaves what it has not done yet to be found again, so
    an erasure that broke off is called again with the same user.
    """
    with lake.alone():
        naming = Naming.of(config.ids, config.sources)
        _erase_published(uri, naming, user)
        lake.sweep()
        dropped = _drop_damaged(lake) + _drop_matrices(lake, user)
        rewritten = sum(_rewrite(partition, naming, user) for partition in lake.partitions())
        return Erasure(rewritten, dropped, mentions(uri, lake, config, user))


def mentions(uri: SecretStr, lake: Lake, config: Config, user: UserId) -> int:
    """Rows of the published side, and of every file of the lake, that hold something of a user."""
    naming = Naming.of(config.ids, config.sources)
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("lookup/mentions"), {"user_id": user})
        (published,) = cursor.fetchone() or (0,)
        published += len(_nameless_rows(connection, naming, user))
        for table in _list_tables(connection):
            count = sql.SQL(statement("erase/count_lists")).format(partition=table)
            cursor.execute(count, {"user_id": user})
            published += (cursor.fetchone() or (0,))[0]
    files = fresh(lake.root).glob("**/*.parquet")
    return int(published) + sum(_count(unverified_table(file), naming, user) for file in files)


# --- Postgres -------------------------------------------------------------------------------------


def _erase_published(uri: SecretStr, naming: Naming, user: UserId) -> None:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("publish/forget_user"), {"user_id": user})
        for table in _list_tables(connection):
            delete = sql.SQL(statement("erase/delete_lists")).format(partition=table)
            cursor.execute(delete, {"user_id": user})
        places = _nameless_rows(connection, naming, user)
        cursor.execute(statement("erase/delete_rows"), {"places": places})


def _list_tables(connection: Connection) -> list[sql.Identifier]:
    with connection.cursor() as cursor:
        cursor.execute(statement("erase/list_tables"))
        return [sql.Identifier(name) for (name,) in cursor.fetchall()]


def _nameless_rows(connection: Connection, naming: Naming, user: UserId) -> list[str]:
    """Places of the quarantined rows that name a user, though not by an id of the type."""
    with connection.cursor("nameless_rows") as cursor:
        cursor.execute(statement("erase/nameless_rows"))
        return [place for place, row in cursor if user in naming.users(row)]


# --- the lake -------------------------------------------------------------------------------------


def _drop_damaged(lake: Lake) -> int:
    """Removes partitions of which nobody can say whether they name the user."""
    damaged = [partition for partition in lake.partitions() if not partition.intact()]
    for partition in damaged:
        log.warning("%s: damaged, removed", partition.label)
        remove(partition.path)
    return len(damaged)


def _drop_matrices(lake: Lake, user: UserId) -> int:
    """Removes matrices that have a row of the user with the models trained on them, and models
    whose matrix is not there any more. A matrix goes last: it tells which models to remove."""
    matrices = lake.root / HISTORIES.name
    naming = {
        partition.path.name
        for partition in lake.partitions()
        if partition.path.parent == matrices and _has_row(partition, user)
    }
    models = [
        folder
        for folder in fresh(lake.root / MODELS).glob("*/as_of=*")
        if folder.name in naming or not (matrices / folder.name / MANIFEST).is_file()
    ]
    gone = [*models, *(matrices / name for name in sorted(naming))]
    for folder in gone:
        remove(folder)
    return len(gone)


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
