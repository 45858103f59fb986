"""Nights on public data sets, from import to lookup."""

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pytest

from jobs.sandbox.importers.deskdrop import read_deskdrop
from jobs.sandbox.importers.movielens import read_movielens
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.sections.contracts import Contracts
from tests.e2e.conftest import OPEN_GATES, Pipeline, only

DESKDROP_DAY = AsOf.parse("2017-02-01")
MOVIELENS_DAY = AsOf.parse("2016-11-01")


def test_deskdrop_has_a_list_for_everybody_and_nothing_seen(
    pipeline: Pipeline, shared_data: Path
) -> None:
    file = shared_data / "deskdrop" / "users_interactions.csv.gz"
    pipeline.load(read_deskdrop(file))
    pipeline.run(DESKDROP_DAY, contracts=Contracts())
    seen, items = defaultdict(set), set()
    with gzip.open(file) as data:
        table = pc.read_csv(data).select(["timestamp", "contentId", "personId"])
    for row in table.to_pylist():
        items.add(row["contentId"])
        if datetime.fromtimestamp(row["timestamp"], UTC) < DESKDROP_DAY.instant:
            seen[row["personId"]].add(row["contentId"])
    lists = pipeline.lists()
    assert set(lists) == set(seen)
    assert len(lists) == 1849
    assert set().union(*lists.values()) <= items
    assert min(lists) < 0
    assert min(items) < 0
    for user, listed in lists.items():
        assert len(listed) == 100
        assert not seen[user] & set(listed)


@pytest.fixture
def movielens(pipeline: Pipeline, shared_data: Path) -> Pipeline:
    pipeline.load(read_movielens(shared_data / "ml-latest-small"))
    return pipeline


def test_movielens_models_differ_and_content_keeps_to_the_genre(movielens: Pipeline) -> None:
    movielens.run(MOVIELENS_DAY, generators=only("als"), contracts=Contracts())
    als = movielens.lists()
    movielens.run(MOVIELENS_DAY, generators=only("content"), gates=OPEN_GATES)
    content = movielens.lists()
    assert set(als) == set(content)
    assert sum(als[user][:20] != content[user][:20] for user in als) > 0.99 * len(als)
    untitled = movielens.query(
        """SELECT count(*) FROM recs.list_item AS l JOIN recs.live USING (run_id)
        LEFT JOIN market.items AS i USING (item_id) WHERE i.title IS NULL"""
    )
    assert untitled == [(0,)]
    genres = genres_of(movielens)
    fans = dict(fans_of_one_genre(movielens, genres))
    assert len(fans) >= 5
    for user, genre in fans.items():
        share = sum(genre in genres[item] for item in content[user][:20]) / 20
        assert share > 0.6, (user, genre, share)


def genres_of(pipeline: Pipeline) -> dict[Any, list[str]]:
    """Genres of each film."""
    with database(pipeline.settings.require_mongo()) as mongo:
        return {p["item_id"]: p["tags"] for p in mongo["item_profiles"].find({})}


def fans_of_one_genre(
    pipeline: Pipeline, genres: dict[Any, list[str]]
) -> Iterator[tuple[Any, str]]:
    """Users of ten liked films or more, nine tenths of which have one genre."""
    liked = defaultdict(list)
    rows = pipeline.query("SELECT user_id, item_id FROM market.interactions WHERE value >= 4")
    for user, item in rows:
        liked[user].append(item)
    for user, items in liked.items():
        ((genre, most),) = Counter(g for item in items for g in genres[item]).most_common(1)
        if len(items) >= 10 and most >= 0.9 * len(items):
            yield user, genre
