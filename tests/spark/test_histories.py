from pyspark.sql import DataFrame, SparkSession

from jobs.transforms import histories as hs
from recsys import columns as c

ONE = 2**32


def frame(spark: SparkSession, schema: str, *rows: tuple[object, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), schema)


def test_one_row_a_user_with_items_in_order(spark: SparkSession) -> None:
    items = frame(spark, "item_id long, item_row int", (-9, 0), (4, 1), (7, 2))
    pairs = frame(
        spark,
        "user_id long, item_id long, fixed_weight long, earlier_fixed_weight long, age_days float",
        (1, 7, ONE // 2, None, 1.0),
        (1, -9, 3 * ONE, 6 * ONE, 9.0),
        (2, 4, 0, 0, 3.0),
    )
    blocks = frame(spark, "user_id long, item_id long", (2, 7), (2, 7), (3, -9), (3, 999))
    profiled = frame(spark, "user_id long", (4,), (1,))
    active = frame(spark, "user_id long", (1,), (3,), (4,), (5,))
    users = hs.histories(
        hs.touched_items(pairs, items), hs.blocked_items(blocks, items), profiled, active
    )
    assert [tuple(row) for row in users.orderBy(c.USER_ID).collect()] == [
        (1, [0, 2], [3.0, 0.5], [9.0, 1.0], [6.0, None], [], True),
        (2, [1], [0.0], [3.0], [0.0], [2], False),
        (3, [], [], [], [], [0], True),
        (4, [], [], [], [], [], True),
    ]


def test_users_are_numbered_in_the_order_of_ids(spark: SparkSession) -> None:
    ids = [n * 7919 % 1000 - 500 for n in range(1000)]
    shuffled = frame(spark, "user_id long", *((n,) for n in ids)).repartition(7)
    rows = hs.numbered(shuffled).orderBy(c.USER_ROW).collect()
    assert [tuple(row) for row in rows] == list(enumerate(sorted(ids)))


def test_text_ids_have_the_order_of_the_id_index(spark: SparkSession) -> None:
    ids = ["ß", "a", "Z", "ä", "z", "😀"]
    rows = hs.numbered(frame(spark, "user_id string", *((n,) for n in ids))).collect()
    expected = sorted(ids, key=lambda text: text.encode())
    assert [row[c.USER_ID] for row in sorted(rows)] == expected
