"""Reading sources into the lake: what to read, on executors, each row counted."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr
from pyspark.sql import SparkSession
from upath import UPath

from jobs.lake.facts import ReadFacts
from jobs.lake.files import StoredFile, read_table
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import Draft, Partition, write_part
from jobs.sources import mongo
from jobs.sources import postgres as postgres_reads
from jobs.spark.session import executor_errors, in_arrow, numbered_tasks, task_numbers
from recsys import columns as c
from recsys.errors import IncompleteReadError
from recsys.schemas import Table
from recsys.sections.ids import Ids
from recsys.sections.sources import Source
from recsys.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartitionRead:
    """One source, or a window of it, and the lake partition it becomes."""

    source: Source
    table: Table
    partition: Partition
    window: Window | None = None
    outside: bool = False
    """Only the rows whose time is not in the window: null, malformed, before or after it."""
    facts: ReadFacts = field(default_factory=ReadFacts)
    """Facts of the read that are known beforehand."""
    keeps_rows: bool = False
    """Where the partition was read before and had more rows, those stay: events do not go away."""


Plan = postgres_reads.PostgresRead | mongo.MongoRead


@dataclass(frozen=True)
class Part:
    """A piece of a read: what one Spark task does."""

    read: int
    number: int
    source: Source
    table: Table
    plan: Plan
    folder: UPath


@dataclass(frozen=True)
class Servers:
    """URIs of the sources."""

    postgres: SecretStr | None
    mongo: SecretStr | None


Reader = Callable[[Servers, Part, Ids], Iterator[pa.RecordBatch]]


def read_part(servers: Servers, part: Part, ids: Ids) -> Iterator[pa.RecordBatch]:
    """The raw rows of one piece; runs on executors."""
    if isinstance(part.plan, postgres_reads.PostgresRead):
        uri = servers.postgres or SecretStr("")
        return postgres_reads.read_rows(uri, part.plan, part.number, part.source, part.table, ids)
    uri = servers.mongo or SecretStr("")
    return mongo.read_rows(uri, part.plan, part.number, part.source, part.table, ids)


def extract(
    start_spark: Callable[[], SparkSession],
    servers: Servers,
    reads: list[PartitionRead],
    ids: Ids,
    reader: Reader = read_part,
) -> None:
    """Writes every read to its partition, or none of those whose rows do not add up.

    All tables of Postgres are read in one snapshot, whose rows the server counts meanwhile, and
    Spark is asked for only when it is known that every source can be read. Raises
    IncompleteReadError where a read returned another number of rows than the server counted, a
    table was replaced meanwhile or a collection emptied or filled.
    """
    with ExitStack() as stack:
        snapshot = _snapshot(stack, servers, reads)
        plans = _plan(snapshot, servers, reads, ids)
        counting = stack.enter_context(ThreadPoolExecutor(1)).submit(_rows, snapshot, plans)
        drafts = [stack.enter_context(read.partition.replace()) for read in reads]
        parts = [
            Part(i, number, read.source, read.table, plan, draft.folder)
            for i, (read, plan, draft) in enumerate(zip(reads, plans, drafts, strict=True))
            for number in range(_parts(plan))
        ]
        for file, part in zip(_run(start_spark(), servers, parts, ids, reader), parts, strict=True):
            drafts[part.read].files.append(file)
        counted = counting.result()
        if snapshot is not None:
            snapshot.check_kept()
        if totals := _totals(reads, plans):
            mongo.check_kept(servers.mongo or SecretStr(""), totals)
        for read, rows, draft in zip(reads, counted, drafts, strict=True):
            _check(read, rows, draft)
            if read.keeps_rows and read.partition.intact():
                _keep_rows(read, draft)


def _snapshot(
    stack: ExitStack, servers: Servers, reads: Sequence[PartitionRead]
) -> postgres_reads.Snapshot | None:
    tables = [read.source for read in reads if read.source.table]
    if servers.postgres is None or not tables:
        return None
    return stack.enter_context(postgres_reads.snapshot(servers.postgres, tables))


def _plan(
    snapshot: postgres_reads.Snapshot | None,
    servers: Servers,
    reads: Sequence[PartitionRead],
    ids: Ids,
) -> list[Plan]:
    plans: list[Plan] = []
    for read in reads:
        if read.source.table is not None and snapshot is not None:
            plans.append(snapshot.plan(read.source, read.window, ids, outside=read.outside))
        else:
            uri = servers.mongo or SecretStr("")
            plan = mongo.plan_read(uri, read.source, read.window, outside=read.outside)
            plans.append(plan)
    return plans


def _totals(reads: Sequence[PartitionRead], plans: Sequence[Plan]) -> Mapping[str, int]:
    """Documents that each collection had at its plan."""
    planned = zip(reads, plans, strict=True)
    return {r.source.place: p.total for r, p in planned if isinstance(p, mongo.MongoRead)}


def _rows(snapshot: postgres_reads.Snapshot | None, plans: Sequence[Plan]) -> list[int]:
    """Number of rows that the servers count for each read."""
    counts = []
    for plan in plans:
        if isinstance(plan, mongo.MongoRead):
            counts.append(plan.rows)
        elif snapshot is not None:
            counts.append(snapshot.rows(plan))
    return counts


def _parts(plan: Plan) -> int:
    return len(plan.queries if isinstance(plan, postgres_reads.PostgresRead) else plan.filters)


def _run(
    spark: SparkSession, servers: Servers, parts: list[Part], ids: Ids, reader: Reader
) -> list[DataFile]:
    """Runs each part as a Spark task that writes one file; gives the files in the parts' order.

    The parts travel in the closure and not as rows or options: they hold connection strings, which
    must not show in a query plan.
    """
    if not parts:
        return []

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in task_numbers(batches):
            part = parts[number]
            rows = reader(servers, part, ids)
            name = f"part-{part.number:05d}"
            yield write_part(part.folder, name, part.table.arrow(ids), rows).as_batch()

    with executor_errors():
        tasks = numbered_tasks(spark, len(parts))
        files = in_arrow(tasks, write, DataFile.SCHEMA).collect()
    return [DataFile(**row.asDict()) for row in files]


def _check(read: PartitionRead, expected: int, draft: Draft) -> None:
    found = sum(file.rows for file in draft.files)
    if found != expected:
        raise IncompleteReadError(
            f"{read.partition.label}: read {found} rows where {read.source.place} has {expected}; "
            "nothing of it was kept, run the extraction again"
        )
    found_out = {"source": read.source.place, "rejected": _rejected(draft)}
    read.facts.model_copy(update=found_out).note(draft)
    log.info("%s: %d rows from %s", read.partition.label, found, read.source.place)


def _keep_rows(read: PartitionRead, draft: Draft) -> None:
    """Notes how many rows came late; takes the earlier read over where the source has lost some."""
    before = read.partition.manifest()
    found = sum(file.rows for file in draft.files)
    if found >= before.rows:
        ReadFacts(late=found - before.rows).note(draft)
        return
    log.warning(
        "%s: %s has %d rows where it had %d, which are kept",
        read.partition.label,
        read.source.place,
        found,
        before.rows,
    )
    draft.take_over(read.partition.path, before)
    read.facts.note(draft)


def _rejected(draft: Draft) -> Mapping[str, int]:
    """Rejected rows by reason."""
    schema = pa.schema({c.REJECT_REASON: pa.string()})
    rejected = pa.concat_tables(
        [schema.empty_table(), *(_rejects(file.below(draft.folder)) for file in draft.files)]
    )
    counts = rejected[c.REJECT_REASON].value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts}


def _rejects(file: StoredFile) -> pa.Table:
    name = c.REJECT_REASON
    return read_table(file, columns=[name], filters=~pc.field(name).is_null())
