"""Lists for a whole market, of people or of items, wherever its steps are computed."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from upath import UPath

from jobs.lake.manifests import MANIFEST
from jobs.run.settings import Settings
from jobs.sandbox import people
from jobs.sandbox.seed import make_market
from jobs.steps import NAMES
from recsys.schemas import POOLS
from tests.cluster.conftest import REPOSITORY, Cluster
from tests.cluster.nights import DAY, Night, fill, power_cut

pytestmark = pytest.mark.cluster

OPEN = """
[contracts]
max_rejected = 1.0
max_duplicates = 1.0
max_unknown_users = 1.0
max_unknown_items = 1.0
"""
OF_ITEMS = """
[lists]
length = 20
pool = 60
steps = ["exposure", "explore"]

[list_steps.exposure]
top_share = 0.0
ndcg_loss = 0.05
cap = 2.0
"""
#: Masters, and threads of what multiplies matrices.
MACHINES = {"one": ("local[1]", "1"), "two": ("local[2]", "2")}


class Nights:
    """The same night on one machine, and on a cluster of which a worker is killed."""

    def __init__(self, cluster: Cluster, settings: Settings, folder: Path) -> None:
        self.alone = {name: Night(cluster, settings, UPath(folder / name)) for name in MACHINES}
        self.cut = Night(cluster, settings, UPath(folder / "cut"))

    def pools(self) -> list[UPath]:
        """Where pools are, or are being written; the older are removed when others are complete."""
        return [*self.cut.lake.glob(f"{POOLS.name}/*/gen-*")]

    def check(
        self, begun: Callable[[], bool], elsewhere: Callable[[], bool]
    ) -> tuple[str, list[tuple[int, str]]]:
        """Fails where any night has other lists; gives a report of them, and numbers and names of
        the stages whose tasks were killed. begun, elsewhere: see `power_cut`."""
        wanted = {name: self._alone(name) for name in MACHINES}
        assert wanted["two"] == wanted["one"]
        cut, cluster = self.cut, self.cut.cluster
        ranked = NAMES.index("rank_lists")
        cut.spread(NAMES[:ranked], "before")
        with power_cut(cluster, begun, elsewhere) as done:
            cut.here("rank_lists", REPOSITORY, cluster.started_by_itself("cut"))
        assert done.is_set()
        stages = cluster.stages("cut")
        lost = [
            (task["Stage ID"], stages[task["Stage ID"]])
            for task in cluster.tasks("cut")
            if task["Task End Reason"]["Reason"] == "ExecutorLostFailure"
        ]
        for step in NAMES[ranked + 1 :]:
            cut.here(step, cluster.archive, {})
        assert cut.live() == wanted["one"]
        checksum, lists = wanted["one"]
        return f"{lists} lists, checksum {checksum}, tasks lost: {lost}", lost

    def _alone(self, name: str) -> tuple[str | None, int | None]:
        master, threads = MACHINES[name]
        limits = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        self.alone[name].whole({"RECSYS_SPARK_MASTER": master, **limits})
        return self.alone[name].live()


def test_reciprocal_lists_are_the_same_anywhere(
    cluster: Cluster, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The executor is killed while it ranks those whom others' pools ask about."""
    shipped = people.CONFIG.read_text(encoding="utf-8")
    short = shipped.replace("length = 20", "length = 10").replace("pool = 80", "pool = 40")
    configured = with_config(settings, tmp_path, short + OPEN)
    fill(configured, people.make_people(300, 60, 9_000, 7, DAY))
    nights = Nights(cluster, configured, tmp_path)

    def ranks_again() -> bool:
        return len(nights.pools()) > 1

    def is_ahead() -> bool:
        return ranks_again() and all(any(pools.glob("part-*")) for pools in nights.pools())

    report, lost = nights.check(ranks_again, is_ahead)
    # The first ranking is stage 0.
    assert {number for number, _ in lost} == {1}
    with capsys.disabled():
        print(f"\nreciprocal: {report}")  # noqa: T201


def test_spread_lists_are_the_same_anywhere(
    cluster: Cluster, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The executor is killed while it counts exposure."""
    shipped = Path(REPOSITORY, "recsys.toml").read_text(encoding="utf-8")
    configured = with_config(settings, tmp_path, shipped + OF_ITEMS)
    fill(configured, make_market(300, 200, 40, 8_000, 7, DAY))
    nights = Nights(cluster, configured, tmp_path)

    def has_pools() -> bool:
        return any(nights.cut.lake.glob(f"{POOLS.name}/*/{MANIFEST}"))

    def sums_up() -> bool:
        time.sleep(1.0)
        return any("treeReduce" in stage for stage in cluster.stages("cut").values())

    report, lost = nights.check(has_pools, sums_up)
    assert lost
    assert all("jobs/tasks/pools.py" in name for _, name in lost)
    with capsys.disabled():
        print(f"\nexposure: {report}")  # noqa: T201


def with_config(settings: Settings, folder: Path, text: str) -> Settings:
    path = folder / "recsys.toml"
    path.write_text(text, encoding="utf-8")
    return settings.model_copy(update={"config": path})
