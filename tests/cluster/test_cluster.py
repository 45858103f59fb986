"""A whole night on a real cluster: the lists of one machine, by two executors or by one left."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from upath import UPath

from jobs.lake.partitions import Lake
from jobs.run.settings import Settings
from jobs.sandbox.seed import make_market
from jobs.spark import package
from jobs.steps import NAMES
from jobs.stores.models import read_model
from recsys.schemas import LISTS
from tests.cluster.conftest import REPOSITORY, WORKERS, Cluster, run
from tests.cluster.nights import DAY, Night, fill, power_cut

pytestmark = pytest.mark.cluster

USERS, ITEMS, DAYS, EVENTS, SEED = 300, 200, 40, 8_000, 7
#: Looks for this project without its archive.
BARE = "from importlib.util import find_spec as f; print(f('recsys'), f('jobs'), end='')"


def test_executors_have_the_code_from_the_archive_alone(cluster: Cluster) -> None:
    assert (
        run([str(cluster.python), "-c", BARE], cluster.folder, cluster.environment) == "None None"
    )
    command = cluster.submit("where", Path(__file__).with_name("where.py"))
    places = json.loads(run(command, cluster.folder, cluster.environment))
    apart = {tuple(place.split(f"/{package.ARCHIVE}/")) for place in places}
    assert {inside for _, inside in apart} == {
        "recsys/__init__.py",
        "data_contracts/__init__.py",
        "jobs/lake/partitions.py",
    }
    assert len({archive for archive, _ in apart}) == WORKERS


def test_a_night_on_a_cluster(
    cluster: Cluster,
    settings: Settings,
    bucket: UPath,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One night four ways in one test: each takes long."""
    fill(settings, make_market(USERS, ITEMS, DAYS, EVENTS, SEED, DAY))
    alone = Night(cluster, settings, UPath(tmp_path / "alone"))
    for step in NAMES:
        alone.here(step, REPOSITORY, {"RECSYS_SPARK_MASTER": "local[2]"})
    wanted = alone.live()

    together = Night(cluster, settings, UPath(tmp_path / "together"))
    work = together.spread(NAMES, "together")
    assert together.live() == wanted
    assert len(sum(work.values(), Counter())) == WORKERS

    apart = Night(cluster, settings, bucket / "lake")
    shared = apart.spread(NAMES, "apart")
    assert apart.live() == wanted
    assert len(sum(shared.values(), Counter())) == WORKERS

    check_als_runs_on_the_executors(together)

    def lists_are_written() -> bool:
        return any((together.lake / LISTS.name).glob("*/gen-*/part-*.parquet"))

    with power_cut(cluster, lambda: True, lists_are_written) as cut:
        together.here("rank_lists", REPOSITORY, cluster.started_by_itself("cut"))
    assert cut.is_set()
    reasons = Counter(task["Task End Reason"]["Reason"] for task in cluster.tasks("cut"))
    assert reasons["ExecutorLostFailure"]
    for step in NAMES[NAMES.index("rank_lists") + 1 :]:
        together.here(step, cluster.archive, {})
    assert together.live() == wanted
    with capsys.disabled():
        print(f"\n{wanted[1]} lists, checksum {wanted[0]}, by local[2] and by the cluster")  # noqa: T201
        for lake, by_step in (("folder", work), ("object store", shared)):
            for step, counts in by_step.items():
                print(f"{lake}, {step}: tasks by executor {dict(sorted(counts.items()))}")  # noqa: T201
        print(f"the same lists while a worker was killed: tasks {dict(reasons)}")  # noqa: T201


def check_als_runs_on_the_executors(night: Night) -> None:
    """From a process that spark-submit did not start, so with the code that it sends itself."""
    lake = night.lake.with_name("als")
    shutil.copytree(night.lake.path, lake.path)
    shipped = Path(night.environment["RECSYS_CONFIG"]).read_text(encoding="utf-8")
    configuration = Path(night.lake.path).with_name("spark.toml")
    section = '[generators.als]\nengine = "spark"\nfactors = 8\niterations = 6\n'
    configuration.write_text(f"{shipped}\n{section}", encoding="utf-8")
    places = {"RECSYS_LAKE": str(lake), "RECSYS_CONFIG": str(configuration)}
    night.here("train_generators", REPOSITORY, places | night.cluster.started_by_itself("als"))
    assert len(night.cluster.by_executor("als")) == WORKERS
    model = read_model(Lake(lake), "als", DAY).arrays()
    assert model["item_factors"].shape[1] == 8
    assert model["item_factors"].any(axis=1).mean() > 0.9
