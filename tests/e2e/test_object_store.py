"""A lake in an object store holds the same nights as one on this machine."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from upath import UPath

from jobs.lake.files import is_local
from jobs.run.entrypoint import lake_of
from jobs.run.settings import Settings
from jobs.sandbox.seed import make_market
from jobs.stores.report_files import reported_runs
from recsys.as_of import AsOf
from recsys.errors import LakeUnavailableError
from recsys.sections.nights import Nights
from tests.e2e.conftest import OPEN_GATES, Pipeline
from tests.object_store import ObjectStore

NIGHTS = [AsOf.parse("2026-01-01") + timedelta(days=number) for number in range(3)]
#: The second night goes on with the lists of the first.
CHANGES = {"gates": OPEN_GATES, "nights": Nights(full_every=2)}


def test_nights_in_an_object_store(
    pipeline: Pipeline,
    environment: dict[str, str],
    object_store: ObjectStore,
    bucket: UPath,
    tmp_path: Path,
) -> None:
    """One story, because a run takes long."""
    pipeline.load(make_market(60, 40, 20, 2_000, 5, NIGHTS[-1]))
    for day in NIGHTS:
        pipeline.run(day, **CHANGES)
    here = hashes(pipeline)
    assert len(set(here)) == len(NIGHTS)

    settings = pipeline.settings.model_copy(update={"lake": bucket / "lake"})
    apart = Pipeline(settings, pipeline.config)
    for day in NIGHTS:
        apart.run(day, **CHANGES)
    assert hashes(apart) == [*here, *here]

    lake, local = lake_of(settings), lake_of(pipeline.settings)
    assert is_local(local.root)
    assert not is_local(lake.root)
    assert [each.label for each in lake.partitions()] == [each.label for each in local.partitions()]
    assert [reported_runs(each.root) for each in (local, lake)] == [{1, 2, 3}, {4, 5, 6}]

    elsewhere = {**os.environ, **environment, **object_store.environment}
    elsewhere["RECSYS_LAKE"] = str(settings.lake)
    user = next(user for user, items in apart.lists().items() if items)
    recsys = Path(sys.executable).with_name("recsys")
    said = subprocess.run(
        [recsys, "forget-user", str(user)],
        cwd=tmp_path,
        env=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"finds nothing of {user}" in said

    told = subprocess.run(
        [sys.executable, "-m", "jobs.app.data_docs"],
        env=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == f"{settings.lake}/contracts/docs/index.html\n"
    assert b"<html" in (settings.lake / "contracts" / "docs" / "index.html").read_bytes()


def hashes(pipeline: Pipeline) -> list[str]:
    """Checksums of all runs, in order."""
    rows = pipeline.query("SELECT list_hash FROM recs.run ORDER BY run_id")
    return [checksum for (checksum,) in rows]


def test_a_store_that_refuses_is_told_of(
    settings: Settings, bucket: UPath, object_store: ObjectStore
) -> None:
    wrong = UPath(str(bucket), endpoint_url=object_store.url, key="lake", secret="wrong")  # noqa: S106
    with pytest.raises(LakeUnavailableError, match=r"the lake s3://.* does not answer .*check"):
        lake_of(settings.model_copy(update={"lake": wrong}))
