"""From weighted pairs to one row a user, numbered in the order of ids."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from jobs.transforms.events import AGE, EARLIER, FIXED
from recsys import columns as c
from recsys.interactions.weights import FRACTION_BITS

_ROW_BITS = 33


def touched_items(pairs: DataFrame, items: DataFrame) -> DataFrame:
    """One row a user: the rows of the items touched, ascending, their weights and ages."""
    numbered = pairs.join(F.broadcast(items), c.ITEM_ID)
    entries = F.sort_array(F.collect_list(F.struct(c.ITEM_ROW, FIXED, EARLIER, AGE)))
    grouped = numbered.groupBy(c.USER_ID).agg(entries.alias("entries"))
    weights, earlier = (
        F.transform(
            F.col("entries")[name], lambda fixed: (fixed / 2.0**FRACTION_BITS).cast("float")
        )
        for name in (FIXED, EARLIER)
    )
    return grouped.select(
        c.USER_ID,
        F.col("entries")[c.ITEM_ROW].alias(c.ITEM_ROWS),
        weights.alias(c.WEIGHTS),
        F.col("entries")[AGE].alias(c.AGES),
        earlier.alias(c.EARLIER_WEIGHTS),
    )


def blocked_items(blocks: DataFrame, items: DataFrame) -> DataFrame:
    """One row a user: the rows of the items blocked, ascending."""
    numbered = blocks.join(F.broadcast(items), c.ITEM_ID)
    rows = F.sort_array(F.collect_set(c.ITEM_ROW))
    return numbered.groupBy(c.USER_ID).agg(rows.alias(c.BLOCKED_ROWS))


def histories(
    touched: DataFrame, blocked: DataFrame, profiled: DataFrame, active: DataFrame | None
) -> DataFrame:
    """The `interactions` table but for its row numbers.

    profiled: user_id of those with a profile document.
    active: user_id of the active members; None where the sources do not say, and all are.
    """
    joined = touched.join(blocked, c.USER_ID, "full").join(profiled, c.USER_ID, "full")
    if active is None:
        joined = joined.withColumn(c.ACTIVE, F.lit(True))
    else:
        joined = joined.join(active.withColumn(c.ACTIVE, F.lit(True)), c.USER_ID, "left")
    return joined.select(
        c.USER_ID,
        F.coalesce(c.ITEM_ROWS, F.array().cast("array<int>")).alias(c.ITEM_ROWS),
        *(
            F.coalesce(name, F.array().cast("array<float>")).alias(name)
            for name in (c.WEIGHTS, c.AGES, c.EARLIER_WEIGHTS)
        ),
        F.coalesce(c.BLOCKED_ROWS, F.array().cast("array<int>")).alias(c.BLOCKED_ROWS),
        F.coalesce(c.ACTIVE, F.lit(False)).alias(c.ACTIVE),
    )


def numbered(users: DataFrame) -> DataFrame:
    """Users in the order of their ids, each with its place in it.

    The order is cut into partitions, and only the partitions' sizes come to the driver.
    """
    ordered = users.orderBy(c.USER_ID).persist()
    sizes = ordered.groupBy(F.spark_partition_id().alias("part")).count().orderBy("part").collect()
    offsets, total = {}, 0
    for part, size in sizes:
        offsets[part], total = total, total + size
    offset = F.create_map(*(F.lit(x) for pair in offsets.items() for x in pair))
    place = F.monotonically_increasing_id().bitwiseAND(F.lit((1 << _ROW_BITS) - 1))
    row = (F.element_at(offset, F.spark_partition_id()) + place).cast("int")
    return ordered.select(row.alias(c.USER_ROW), *ordered.columns)
