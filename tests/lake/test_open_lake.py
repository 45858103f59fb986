"""`jobs.notebook.open_lake` on a lake that is written down here."""

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from jobs import notebook
from jobs.lake.facts import HistoriesFacts, ItemsFacts, ListsFacts
from jobs.lake.partitions import Lake
from jobs.notebook import OpenLake, open_lake
from jobs.stores.models import write_model, write_policy
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.bands import BANDS
from recsys.errors import MissingPartitionError, PrerequisiteError
from recsys.generators.factors import FactorModel
from recsys.nights import Night
from recsys.ranking.policy import BandPolicy, RankingPolicy
from recsys.schemas import HISTORIES, ITEMS, LISTS, RAW_USERS, Table

CONFIG: Final = Path(__file__).parents[2] / "recsys.toml"
BEFORE, DAY = AsOf.parse("2025-12-31"), AsOf.parse("2026-01-01")
TITLES: Final = {10: "ten", 11: "eleven", 12: None}
VECTORS: Final = FactorModel(
    np.array([[1, 0], [0, 2]], np.float32), np.array([[1, 0], [0, 1], [1, 1]], np.float32)
)


def listed(user: int, *items: int) -> dict[str, Any]:
    scores = [1.0 / (place + 1) for place in range(len(items))]
    sources = [place % 2 for place in range(len(items))]
    row = {"user_id": user, "item_ids": items, "scores": scores, "sources": sources}
    return row | {"propensities": [1.0] * len(items)}


def history(user: int, *rows: int, row: int) -> dict[str, Any]:
    ones = [1.0] * len(rows)
    times = dict.fromkeys(("ages", "last_ages", "earlier_weights", "earlier_last_ages"), ones)
    known = {"user_row": row, "user_id": user, "item_rows": rows, "weights": [2.0] * len(rows)}
    return known | times | {"blocked_rows": [], "active": True}


@pytest.fixture
def lake(tmp_path: Path, config: Config) -> OpenLake:
    """Two dates of two users and three items."""
    kept = Lake(UPath(tmp_path / "lake"))

    def write(table: Table, as_of: AsOf, rows: list[dict[str, Any]], facts: Any = None) -> None:
        with kept.as_of(table.name, as_of).replace() as draft:
            draft.write_table(pa.Table.from_pylist(rows, table.arrow(config.ids)))
            if facts is not None:
                facts.note(draft)

    made = ListsFacts(models=("als", "graph"))
    for as_of, lists in (
        (BEFORE, [listed(1, 10, 11), listed(2, 12)]),
        (DAY, [listed(1, 10, 12), listed(2, 12, 11)]),
    ):
        write(LISTS, as_of, lists, made)
        write(RAW_USERS, as_of, [{"user_id": user, "active": True} for user in (1, 2, 3)])
        items = [
            {"item_row": row, "item_id": item, "title": title, "available": True}
            for row, (item, title) in enumerate(TITLES.items())
        ]
        write(ITEMS, as_of, items, ItemsFacts(available=3))
        histories = [history(1, 1, row=0), history(2, 0, 1, row=1)]
        write(HISTORIES, as_of, histories, HistoriesFacts(pairs=3, events=5))
        write_model(kept, "popularity", as_of, VECTORS)
        order = BandPolicy(
            method="sum", weights=(1.0,), validation={"sum": 0.25}, users=7, reason="", way="sum"
        )
        policy = RankingPolicy(generators=("als",), orders=dict.fromkeys(BANDS, order), base=(1.0,))
        write_policy(kept, as_of, policy, Night(fingerprint=""))
    return open_lake(tmp_path / "lake", CONFIG)


def test_a_row_a_place_with_titles_and_names_of_sources(lake: OpenLake) -> None:
    lists = lake.night().lists()
    assert lists.arrow().drop_columns(["score", "propensity"]).to_pylist() == [
        {"user_id": 1, "rank": 1, "item_id": 10, "title": "ten", "source": "als"},
        {"user_id": 1, "rank": 2, "item_id": 12, "title": None, "source": "graph"},
        {"user_id": 2, "rank": 1, "item_id": 12, "title": None, "source": "als"},
        {"user_id": 2, "rank": 2, "item_id": 11, "title": "eleven", "source": "graph"},
    ]
    assert [cell["item_id"] for cell in lake.night().histories().arrow().to_pylist()] == [
        11,
        10,
        11,
    ]


def test_the_same_rows_in_every_form(lake: OpenLake) -> None:
    rows = lake.night("2025-12-31").lists()
    wanted = rows.arrow().to_pylist()
    assert [list(row.values()) for row in wanted] == [list(r) for r in rows.polars().iter_rows()]
    assert rows.pandas().item_id.tolist() == [row["item_id"] for row in wanted] == [10, 11, 12]
    firsts = rows.duckdb().filter("rank = 1").sum("item_id")
    assert firsts.fetchall() == [(22,)]


def test_what_a_killed_task_has_left_is_not_read(lake: OpenLake, tmp_path: Path) -> None:
    folder = tmp_path / "lake" / LISTS.name / "as_of=2026-01-01"
    (kept,) = folder.glob("gen-*")
    shutil.copytree(kept, folder / "gen-0")
    assert len(list(folder.glob("*/*.parquet"))) == 2
    assert len(lake.night().lists()) == 4


def test_a_score_is_the_product_of_a_users_and_an_items_vector(lake: OpenLake) -> None:
    night = lake.night()
    users = night.user_vectors("popularity").pandas()
    items = night.item_vectors("popularity").pandas()
    assert (users.user_id.tolist(), items.item_id.tolist()) == ([1, 2], [10, 11, 12])
    product = np.stack(list(users.vector)) @ np.stack(list(items.vector)).T
    assert product.tolist() == [[1, 0, 1], [0, 2, 2]]


def test_figures_of_a_night_and_of_two(lake: OpenLake) -> None:
    found = lake.night().metrics().pandas()
    assert found.set_index(["name", "band", "label"]).value["ndcg_of", "warm", "sum"] == 0.25
    plain = found[found.band.isna()].set_index("name").value
    assert plain["ndcg"] == 0.25
    assert plain[["lists", "active_users", "items", "pairs"]].tolist() == [2, 3, 3, 3]
    diff = lake.diff("2025-12-31", DAY)
    figures = diff.figures().pandas().set_index("figure").value
    # Each shares one of two places; a third of the members has no list.
    assert (figures["overlap"], figures["fallback_share"]) == (0.5, pytest.approx(1 / 3, abs=1e-6))
    assert diff.bands().pandas().band.tolist() == ["cold"]
    moved = diff.items().pandas()
    assert moved.title.iloc[-1] in TITLES.values()
    assert moved.gain.sum() == pytest.approx(0)


def test_errors_say_what_there_is(lake: OpenLake, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPartitionError, match="from 2025-12-31 to 2026-01-01"):
        lake.night("2026-01-02")

    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(notebook, "import_module", absent)
    with pytest.raises(PrerequisiteError, match=r"pip install 'recsys\[polars\]'"):
        lake.night().lists().polars()
