"""Pools in the lake are what ranking made, in whatever batches they are read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from jobs.lake.partitions import write_part
from jobs.tasks.lists import USERS_A_BATCH, Chunk, PoolMaker, PoolReader
from recsys import columns as c
from recsys.generators.factors import CHUNK, FactorModel
from recsys.lists.ranker import Ranker
from recsys.lists.reasons import Reasoner
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.schemas import HISTORIES
from recsys.sections.ids import Ids

USERS, ITEMS, DEPTH = USERS_A_BATCH + 3 * CHUNK, 90, 12
IDS = Ids(user="text")


def histories(rng: np.random.Generator) -> pa.Table:
    def lists() -> list[list[int]]:
        return [np.flatnonzero(rng.random(ITEMS) < 0.05).tolist() for _ in range(USERS)]

    touched = lists()
    weights = [[1.0] * len(rows) for rows in touched]
    columns = {
        c.USER_ROW: range(USERS),
        c.USER_ID: [f"user {row:05d}" for row in range(USERS)],
        c.ITEM_ROWS: touched,
        c.WEIGHTS: weights,
        c.AGES: weights,
        c.LAST_AGES: weights,
        c.EARLIER_WEIGHTS: weights,
        c.EARLIER_LAST_AGES: weights,
        c.BLOCKED_ROWS: lists(),
        c.ACTIVE: [True] * USERS,
    }
    return pa.table({name: list(values) for name, values in columns.items()}, HISTORIES.arrow(IDS))


def by_user(chunks: Iterable[Chunk]) -> dict[str, tuple[Any, ...]]:
    """All that a chunk says of each user."""
    told = {}
    for user_ids, users, lists in chunks:
        assert len(set((users.rows // CHUNK).tolist())) == 1
        for place, user in enumerate(user_ids.to_pylist()):
            one, listed = users.of(np.array([place])), lists.of(np.array([place]))
            moments = np.zeros(0) if lists.moments is None else lists.moments[place]
            parts = vars(listed) | {"moments": moments}
            arrays = (one.rows, one.keys, one.excluded.values, *parts.values())
            told[user] = tuple((array.dtype.str, array.tobytes()) for array in arrays)
    return told


@pytest.mark.parametrize("share", [0.0, 0.4], ids=["nobody", "some users"])
def test_pools_are_read_as_they_were_made(tmp_path: Path, share: float) -> None:
    rng = np.random.default_rng(2)
    draw = rng.normal(size=(USERS + ITEMS, 8)).astype(np.float32)
    model = FactorModel(draw[:USERS], draw[USERS:])
    scorer = Scorer.of({"a": model, "b": model}, np.arange(5, ITEMS), ITEMS)
    due = rng.random(USERS) < share
    ranker = Ranker(scorer, WeightedSum((1.0, 0.5)), opinions=2)
    maker = PoolMaker(ranker, DEPTH, due, IDS)
    folder, table = UPath(tmp_path), histories(rng)
    file = write_part(folder, "histories", table.schema, table.to_batches()).below(folder)
    made = by_user(chunk for batch in maker.batches(file) for chunk in maker.chunks(batch))
    pools, reader = maker.write(file, folder).below(folder), PoolReader()
    found = by_user(chunk for batch in reader.batches(pools) for chunk in reader.chunks(batch))
    assert len(made) == due.sum()
    assert all(told[-1][1] for told in made.values())
    assert found == made


def test_pools_of_whom_nobody_is_left_anything_have_no_reasons(tmp_path: Path) -> None:
    """A chunk of users without any entry is read like others."""
    draw = np.random.default_rng(2).normal(size=(USERS + ITEMS, 8)).astype(np.float32)
    model = FactorModel(draw[:USERS], draw[USERS:])
    scorer = Scorer.of({"a": model, "b": model}, np.arange(ITEMS), ITEMS)
    due = np.arange(USERS) == 0
    maker = PoolMaker(Ranker(scorer, WeightedSum((1.0, 0.5)), opinions=2), DEPTH, due, IDS)
    folder, table = UPath(tmp_path), histories(np.random.default_rng(2)).slice(0, 1)
    everything = pa.array([range(ITEMS)], table[c.BLOCKED_ROWS].type)
    place = table.column_names.index(c.BLOCKED_ROWS)
    table = table.set_column(place, table.schema.field(place), everything)
    file = write_part(folder, "histories", table.schema, table.to_batches()).below(folder)
    pools, reader = maker.write(file, folder).below(folder), PoolReader()
    ((ids, users, lists),) = [
        chunk for batch in reader.batches(pools) for chunk in reader.chunks(batch)
    ]
    assert len(ids) == len(users.rows) == 1
    assert len(lists.item_rows) == 0
    assert len(Reasoner((), 2).reasons(lists, lists, users).records) == 0
