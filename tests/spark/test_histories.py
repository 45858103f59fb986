"""From raw files to the rows of users, over the tasks of a real Spark."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from upath import UPath

from jobs.lake.files import StoredFile
from jobs.lake.partitions import write_part
from jobs.spark.session import in_arrow, numbered_tasks, task_numbers
from jobs.tasks.histories import PART, HistoryMaker
from jobs.tasks.raw_files import Judge, RawFile, Rejects, Share, Sifter, shares, unpacked
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.events.histories import Weighting
from recsys.ids import IdIndex
from recsys.schemas import QUARANTINE, RAW
from recsys.sections.events import Event
from recsys.sections.ids import Ids

AS_OF = AsOf.parse("2026-01-10")
END = AS_OF.instant
RULES = {"view": Event(weight=3.0)}


def days_ago(days: float) -> Any:
    return END - timedelta(days=days)


def view(user: Any, item: Any, **values: Any) -> dict[str, Any]:
    row = {c.USER_ID: user, c.ITEM_ID: item, c.EVENT_TYPE: "view", c.OCCURRED_AT: days_ago(1)}
    return row | values


def config(ids: Ids | None = None) -> Config:
    sources = {
        name: {"table": name, "columns": {column: column for column in columns}}
        for name, columns in {
            "items": ("item_id",),
            "interactions": ("user_id", "item_id", "event_type", "occurred_at"),
            "blocks": ("user_id", "item_id"),
        }.items()
    }
    return Config.model_validate(
        {"ids": (ids or Ids()).model_dump(), "sources": sources, "events": RULES}
    )


def raw(folder: Path, files: Mapping[str, list[dict[str, Any]]], ids: Ids) -> list[RawFile]:
    """A raw file for each entry; the name of its source comes before a full stop."""
    written = []
    for name, rows in files.items():
        source, _, more = name.partition(".")
        table = pa.Table.from_pylist(rows, RAW[source].arrow(ids))
        file = write_part(UPath(folder), name, table.schema, table.to_batches())
        stored = file.below(UPath(folder))
        written.append(RawFile(source, stored, file.rows, more != "undated"))
    return written


def sifted(
    spark: SparkSession, judge: Judge, files: tuple[Share, ...], folder: Path
) -> tuple[pa.Table, list[Rejects]]:
    sifter = Sifter(judge, files, UPath(folder))

    def sift(tasks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from map(sifter.sift, task_numbers(tasks))

    told = in_arrow(numbered_tasks(spark, len(files)), sift, Sifter.SCHEMA).toArrow()
    return told, [Rejects.model_validate_json(text) for text in told["rejects"].to_pylist()]


def written(
    spark: SparkSession, judge: Judge, files: list[RawFile], users: IdIndex, items: IdIndex
) -> pa.Table:
    """The files of parts of two users each, in the order of their names."""
    folder = files[0].stored.path.parent
    weighting = Weighting(RULES, AS_OF, AS_OF - timedelta(days=3))
    active = np.arange(len(users)) % 2 == 0
    tasks = shares([file for file in files if file.evidence], 3)
    maker = HistoryMaker(judge, tasks, users, items, active, 2, weighting, folder)

    def gather(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in task_numbers(batches):
            yield from maker.evidence(number)

    evidence = in_arrow(numbered_tasks(spark, len(tasks)), gather, HistoryMaker.EVIDENCE)
    by_user = evidence.repartitionById(maker.parts, PART)
    told = in_arrow(by_user, maker.write, HistoryMaker.WRITTEN).toArrow().to_pylist()
    assert len(told) == -(-len(users) // 2)
    return pa.concat_tables(
        [pq.read_table(folder / name) for name in sorted(row["name"] for row in told)]
    )


def test_small_files_are_read_together_and_large_ones_alone() -> None:
    files = [RawFile("events", StoredFile(UPath("file"), 0, 0), rows) for rows in (2, 1, 9, 1, 2)]
    assert [[f.rows for f in share] for share in shares(files, 3)] == [[2, 1], [9], [1, 2]]
    assert shares([], 3) == ()


def test_one_row_a_user_in_the_order_of_ids(spark: SparkSession, tmp_path: Path) -> None:
    users, items = IdIndex(pa.array([-5, 1, 2, 3, 9])), IdIndex(pa.array([-9, 4, 7]))
    files: dict[str, list[dict[str, Any]]] = {
        "interactions.a": [
            view(1, 7),
            view(2, 4, occurred_at=days_ago(4), arrived_at=days_ago(2)),
            view(1, 4, event_type="shrug"),
        ],
        "interactions.b": [
            view(1, -9, occurred_at=days_ago(5)),
            view(1, 7, occurred_at=days_ago(-1), arrived_at=days_ago(1)),
        ],
        "blocks": [{c.USER_ID: user, c.ITEM_ID: item} for user, item in ((2, 7), (2, 7), (3, -9))]
        + [{c.USER_ID: 3, c.ITEM_ID: 999}, {c.USER_ID: 3, c.REJECT_REASON: "item_id is null"}],
    }
    judge = Judge(config(), AS_OF)
    table = written(spark, judge, raw(tmp_path, files, Ids()), users, items)
    nothing: tuple[list[float], ...] = ([],) * 6
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (0, -5, *nothing, [], True),
        (1, 1, [0, 2], [3.0, 3.0], [5.0, 1.0], [5.0, 1.0], [3.0, None], [2.0, None], [], False),
        (2, 2, [1], [3.0], [4.0], [4.0], [None], [None], [2], True),
        (3, 3, *nothing, [0], False),
        (4, 9, *nothing, [], True),
    ]


def test_text_ids_have_the_order_of_the_id_index(spark: SparkSession, tmp_path: Path) -> None:
    names = ["ß", "a", "Z", "ä", "z", "😀"]
    ids = Ids(user="text")
    users = IdIndex.build(pa.array(names), "text")
    files = raw(tmp_path, {"interactions": [view(name, 1) for name in names]}, ids)
    judge = Judge(config(ids), AS_OF)
    table = written(spark, judge, files, users, IdIndex(pa.array([1])))
    assert table[c.USER_ID].to_pylist() == sorted(names, key=lambda text: text.encode())
    assert table[c.ITEM_ROWS].to_pylist() == [[0]] * len(names)


def test_rows_that_cannot_be_used_are_written_with_their_source_and_counted(
    spark: SparkSession, tmp_path: Path
) -> None:
    files: dict[str, list[dict[str, Any]]] = {
        "interactions.a": [view(1, 7), view(1, 7), view(2, 8, event_type="shrug")],
        "interactions.undated": [view(None, 9, reject_reason="user_id is null", source_row="{}")],
        "interactions.b": [view(3, 9)],
        "blocks": [{c.USER_ID: 4, c.ITEM_ID: 7}],
        "items": [{c.REJECT_REASON: "item_id is null", c.SOURCE_ROW: "{}", c.AVAILABLE: True}],
    }
    tasks = shares(raw(tmp_path, files, Ids()), 4)
    told, rejects = sifted(spark, Judge(config(), AS_OF), tasks, tmp_path)
    assert sorted(unpacked(told["users"])[c.USER_ID].to_pylist()) == [1, 3, 4]
    assert sorted(unpacked(told["items"])[c.ITEM_ID].to_pylist()) == [7, 9]
    assert [each.reasons for each in rejects] == [
        {"interactions: unknown event_type": 1, "interactions: user_id is null": 1},
        {"items: item_id is null": 1},
    ]
    rows = [pq.read_table(tmp_path / f.name).to_pylist() for r in rejects for f in r.files]
    (shrug, nobody), (nothing,) = rows
    assert (shrug[c.SOURCE], shrug[c.USER_ID], shrug[c.ITEM_ID]) == ("interactions", 2, 8)
    assert json.loads(shrug[c.SOURCE_ROW])["event_type"] == "shrug"
    assert nobody[c.SOURCE_ROW] == "{}"
    assert list(nothing) == QUARANTINE.arrow(Ids()).names
    assert nothing[c.USER_ID] is None
