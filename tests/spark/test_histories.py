"""Evidence brought together by user, and what tasks write of it."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from jobs.transforms import histories as hs
from recsys import columns as c
from recsys.config import Event, Ids
from recsys.ids import IdIndex
from recsys.interactions.histories import BLOCK, Terms

TERMS = Terms({"view": Event(weight=3.0)}, date(2026, 1, 10), date(2026, 1, 7))
DAY = 86_400_000_000
AS_OF = 1_768_003_200_000_000


def written(
    spark: SparkSession, evidence: DataFrame, users: IdIndex, items: IdIndex, ids: Ids, folder: Path
) -> pa.Table:
    """The files of parts of two users each, in the order of their names."""
    active = np.arange(len(users)) % 2 == 0
    maker = hs.HistoryMaker(users, active, 2, TERMS, ids, folder)
    user_rows = hs.numbered_ids(spark, c.USER_ID, c.USER_ROW, users)
    item_rows = hs.numbered_ids(spark, c.ITEM_ID, c.ITEM_ROW, items)
    parts = -(-len(users) // 2)
    rows = hs.gathered(evidence, user_rows, item_rows, parts, 2)
    files = rows.mapInArrow(maker.write, hs.HistoryMaker.SPARK_SCHEMA).toArrow().to_pylist()
    assert len(files) == parts
    return pa.concat_tables(
        [pq.read_table(folder / name) for name in sorted(f["name"] for f in files)]
    )


def test_one_row_a_user_in_the_order_of_ids(spark: SparkSession, tmp_path: Path) -> None:
    users, items = IdIndex(pa.array([-5, 1, 2, 3, 9])), IdIndex(pa.array([-9, 4, 7]))
    evidence = spark.createDataFrame(
        [
            (1, 7, 0, AS_OF - DAY, AS_OF - DAY, None),
            (1, -9, 0, AS_OF - 5 * DAY, AS_OF - 5 * DAY, None),
            (2, 4, 0, AS_OF - 4 * DAY, AS_OF - 2 * DAY, None),
            (2, 7, BLOCK, 0, 0, None),
            (2, 7, BLOCK, 0, 0, None),
            (3, -9, BLOCK, 0, 0, None),
            (3, 999, 0, AS_OF - DAY, AS_OF - DAY, None),
            (77, 7, 0, AS_OF - DAY, AS_OF - DAY, None),
        ],
        "user_id long, item_id long, kind int, occurred long, known long, value double",
    )
    table = written(spark, evidence, users, items, Ids(), tmp_path)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (0, -5, [], [], [], [], [], True),
        (1, 1, [0, 2], [3.0, 3.0], [5.0, 1.0], [3.0, None], [], False),
        (2, 2, [1], [3.0], [4.0], [None], [2], True),
        (3, 3, [], [], [], [], [0], False),
        (4, 9, [], [], [], [], [], True),
    ]


def test_text_ids_have_the_order_of_the_id_index(spark: SparkSession, tmp_path: Path) -> None:
    ids = ["ß", "a", "Z", "ä", "z", "😀"]
    users = IdIndex.build(pa.array(ids), "text")
    evidence = spark.createDataFrame(
        [(name, 1, 0, AS_OF - DAY, AS_OF - DAY, None) for name in ids],
        "user_id string, item_id long, kind int, occurred long, known long, value double",
    )
    table = written(spark, evidence, users, IdIndex(pa.array([1])), Ids(user="text"), tmp_path)
    assert table[c.USER_ID].to_pylist() == sorted(ids, key=lambda text: text.encode())
    assert table[c.ITEM_ROWS].to_pylist() == [[0]] * len(ids)
