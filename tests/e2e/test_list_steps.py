"""A list step is one file and one line of configuration, and works wherever lists are made.

The files are put into a copy of the code, at the place where every step lives.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.lake.files import fresh
from jobs.lake.partitions import Lake
from jobs.sandbox.seed import make_market
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.schemas import ITEMS, LISTS, POOLS
from tests.e2e.conftest import Pipeline

REPOSITORY = Path(__file__).parents[2]
DAY = AsOf.parse("2026-01-01")
NEXT = DAY + timedelta(days=1)
LENGTH = 12

EVEN = '''"""Leave out the items of odd rows."""

from recsys.lists.contract import StepConfig as Config

SCOPE = "user"


def apply(lists, users, facts, config):
    return lists.where(lists.item_rows % 2 == 0)
'''
RARE = '''"""Put the items that the fewest pools hold first."""

import numpy as np

from recsys.lists.contract import StepConfig

SCOPE = "market"


class Config(StepConfig):
    most: int = 1_000_000


def plan(pools, context, config):
    def held(lists, users):
        return {"held": np.bincount(lists.item_rows, minlength=context.items)}

    return {"held": np.minimum(pools.summed(held)["held"], config.most)}


def apply(lists, users, facts, config):
    order = np.lexsort((facts["held"][lists.item_rows], lists.items.lines()))
    return lists.entries(lists.offsets, order)
'''
SECTIONS = f"""
[lists]
length = {LENGTH}
steps = ["even", "rare", "explore"]
[nights]
full_every = 3
[gates]
min_users_kept = 0.0
min_overlap = 0.0
max_fallback_share = 1.0
max_score_drift = 1e9
[ranking]
least_users = 100000
[generators]
als = {{ regularization = 5.0 }}
graph = {{ weight = 0 }}
content = {{ weight = 0 }}
trending = {{ weight = 0 }}
segment = {{ weight = 0 }}
item_item = {{ weight = 0 }}
"""


class House:
    """A copy of the code with two more list steps, and its commands on a test's databases."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        for name in ("recsys", "data_contracts", "jobs"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / name, root / name, ignore=ignored)
        for name, text in {"even": EVEN, "rare": RARE}.items():
            (root / "recsys" / "lists" / "steps" / f"{name}.py").write_text(text, encoding="utf-8")
        config = root / "recsys.toml"
        shipped = Path(environment["RECSYS_CONFIG"]).read_text(encoding="utf-8")
        config.write_text(shipped + SECTIONS, encoding="utf-8")
        changed = {"RECSYS_CONFIG": str(config), "PYTHONPATH": str(root)}
        self.root, self.environment = root, os.environ | environment | changed

    def run(self, *words: str, lake: str | None = None) -> None:
        environment = self.environment | ({"RECSYS_LAKE": lake} if lake else {})
        command = [sys.executable, "-m", "jobs.cli.main", *words]
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture
def house(tmp_path: Path, environment: dict[str, str]) -> House:
    return House(tmp_path / "house", environment)


def lists_and_rows(pipeline: Pipeline, day: AsOf) -> tuple[dict[Any, list[Any]], dict[Any, int]]:
    """Each user's list of a date, and each item's row."""
    lake, ids = Lake(fresh(pipeline.settings.lake)), pipeline.config.ids
    lists = lake.as_of(LISTS.name, day).read(LISTS, ids)
    items = lake.as_of(ITEMS.name, day).read(ITEMS, ids)[c.ITEM_ID].to_pylist()
    found = {row[c.USER_ID]: row[c.ITEM_IDS] for row in lists.to_pylist()}
    return found, {item: row for row, item in enumerate(items)}


def rising(listed: list[Any], held: Counter[Any]) -> bool:
    counts = [held[item] for item in listed]
    return counts == sorted(counts)


def test_two_files_and_a_line_are_two_steps(
    pipeline: Pipeline, house: House, tmp_path: Path
) -> None:
    """One story, because a night takes long."""
    pipeline.load(make_market(60, 60, 30, 2_500, 5, DAY))
    house.run("backfill", "--from", f"{DAY}", "--to", f"{DAY}", lake=f"{tmp_path / 'past'}")
    house.run("nightly", "--as-of", f"{DAY}")
    (past, live) = pipeline.query("SELECT list_hash, models FROM recs.run ORDER BY run_id")
    assert past == live
    assert live[1] == ["als", "popularity", "even", "rare", "explore"]

    before, rows = lists_and_rows(pipeline, DAY)
    held = Counter(item for listed in before.values() for item in listed)
    assert len(set(held.values())) > 5
    for listed in before.values():
        assert not any(rows[item] % 2 for item in listed)
        assert rising(listed, held)
    assert not fresh(pipeline.settings.lake / POOLS.name / f"as_of={DAY}").exists()

    user = next(user for user, listed in before.items() if len(listed) > 3)
    noon = DAY.instant + timedelta(hours=12)
    pipeline.query(
        "INSERT INTO market.interactions (user_id, item_id, kind, created_at, received_at)"
        " VALUES (%s, %s, 'like', %s, %s) RETURNING 1",
        (user, before[user][0], noon, noon),
    )
    # The lowest id: every other item stands one row further than in the night before.
    pipeline.query("INSERT INTO market.items VALUES (-1, 'lamp', true, %s) RETURNING 1", (noon,))
    house.run("nightly", "--as-of", f"{NEXT}")
    after, rows = lists_and_rows(pipeline, NEXT)
    assert {u for u in after if after[u] != before.get(u)} == {user}
    assert not any(rows[item] % 2 for item in after[user])
    assert rising(after[user], held)
    check_evaluation(house, tmp_path)


def check_evaluation(house: House, tmp_path: Path) -> None:
    """Half of the items cannot be listed, and the lists are measured like that."""
    pairs, out = tmp_path / "pairs.parquet", tmp_path / "figures.json"
    house.run("export-pairs", "--as-of", f"{DAY}", str(pairs))
    house.run("evaluate", "--train", str(pairs), "--k", "10", "--json", str(out))
    reports = json.loads(out.read_text(encoding="utf-8"))["reports"]
    assert list(reports) == ["als", "popularity", "blend", "published"]
    coverage = {name: reports[name]["segments"]["all"]["coverage"] for name in reports}
    assert 0.3 < coverage["published"] < 0.55
    assert coverage["blend"] > 0.9
