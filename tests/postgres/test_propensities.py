"""What an analyst learns from published propensities, by the query that the guide shows."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from psycopg2.extras import execute_values
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sinks.base import RunRecord
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys.arrays import Ragged
from recsys.lists.ranked import RankedLists
from recsys.lists.steps.explore import Policy, explored
from recsys.schemas import LISTS
from tests.architecture.documents import ANALYSTS
from tests.postgres.publications import BIGINT, DAY, passed, popular, tables

USERS, ORDINARY = 4_000, 8
POOL = np.array([50, 51, 52])
CLICKS = {50: 0.1, 51: 0.5, 52: 0.3}
PLACES = (5, 7)


def drawn_lists() -> pa.Table:
    """Lists of 8 with new items at places 5 and 7, which favour item 52."""
    ordinary = RankedLists(
        offsets=np.arange(USERS + 1) * ORDINARY,
        item_rows=np.tile(np.arange(ORDINARY), USERS),
        scores=np.tile(-np.arange(ORDINARY, dtype=np.float32), USERS),
        sources=np.zeros(USERS * ORDINARY, np.int16),
        propensities=np.ones(USERS * ORDINARY, np.float32),
    )
    preferences = np.tile(np.array([0.0, 0.5, 1.5], np.float32), (USERS, 1))
    nothing = Ragged.of_lengths(np.zeros(USERS, np.int64), np.empty(0, np.int64))
    policy = Policy(PLACES, length=ORDINARY, source=1, seed=3)
    keys = np.arange(USERS).astype(np.uint64)
    made = explored(ordinary, POOL, preferences, nothing, keys, policy)
    arrays = (made.item_rows, made.scores, made.sources, made.propensities)
    lists = [pa.ListArray.from_arrays(pa.array(made.offsets, pa.int32()), x) for x in arrays]
    without_reasons = [pa.nulls(USERS, lists[0].type), pa.nulls(USERS, pa.binary())]
    return pa.Table.from_arrays(
        [pa.array(range(USERS), pa.int64()), *lists, *without_reasons],
        schema=LISTS.arrow(BIGINT),
    )


def test_the_guides_query_says_what_another_way_of_drawing_would_earn(
    postgres_uri: SecretStr,
) -> None:
    rows = drawn_lists()
    record = RunRecord(DAY, "hash", "1.0", ("als", "explore"), {})
    made = tables(BIGINT, ds.dataset(rows), popular(BIGINT, 1))
    run_id = publish(PostgresSink(postgres_uri, BIGINT), record, made, passed, 7).run_id
    (text,) = re.findall(r"```sql\n(SELECT\n    count\(\*\) AS lists.*?)```", ANALYSTS, re.DOTALL)
    luck = np.random.default_rng(1).random(USERS)
    shown = [
        (run_id, user, items[4], bool(luck[user] < CLICKS[items[4]]))
        for user, items in enumerate(rows["item_ids"].to_pylist())
    ]
    with connect(postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            """CREATE SCHEMA app;
            CREATE TABLE app.shown (run_id bigint, user_id bigint, item_id bigint, clicked bool);
            CREATE TABLE app.other AS SELECT u AS user_id, i AS item_id, 1.0 / 3 AS chance
            FROM generate_series(0, 3999) AS u, unnest(ARRAY[50, 51, 52]) AS i"""
        )
        execute_values(cursor, "INSERT INTO app.shown VALUES %s", shown)
        cursor.execute(text.replace("run_id = 12", f"run_id = {run_id}"))
        lists, clicks, other, normalised, effective = map(float, cursor.fetchone() or ())
    odds = np.exp([0.0, 0.5, 1.5])
    worth = np.array(list(CLICKS.values()))
    assert lists == USERS
    assert clicks == pytest.approx(float(odds @ worth / odds.sum()), abs=0.03)
    assert other == pytest.approx(0.3, abs=0.04)
    assert normalised == pytest.approx(0.3, abs=0.04)
    ratios = (1 / 3) ** 2 * odds.sum() * (1 / odds).sum()
    assert effective == pytest.approx(USERS / ratios, rel=0.1)


def test_the_view_names_the_draws(postgres_uri: SecretStr) -> None:
    record = RunRecord(DAY, "hash", "1.0", ("als", "explore"), {})
    made = tables(BIGINT, ds.dataset(drawn_lists()), popular(BIGINT, 1))
    publish(PostgresSink(postgres_uri, BIGINT), record, made, passed, 7)
    with connect(postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            """SELECT source, array_agg(DISTINCT rank ORDER BY rank), max(propensity)
            FROM recs.list_item GROUP BY source ORDER BY source"""
        )
        (_, ordinary, certain), (name, places, likely) = cursor.fetchall()
    assert (ordinary, certain) == ([1, 2, 3, 4, 6, 8], 1.0)
    assert (name, places) == ("explore", list(PLACES))
    assert likely < 1.0
