"""Nights on a lake that a disk or a power cut has damaged."""

import importlib
import os
from pathlib import Path

import pytest

from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from recsys.errors import LakeFileError
from tests.e2e.conftest import OBSERVED_AT, Pipeline

DAY = AsOf.parse("2026-01-01")


def step(pipeline: Pipeline, name: str, as_of: AsOf = DAY) -> None:
    arguments = RunArguments(as_of, pipeline.config, pipeline.settings, OBSERVED_AT)
    importlib.import_module(f"jobs.steps.{name}").main(arguments)


def files(pipeline: Pipeline, pattern: str) -> list[Path]:
    found = [Path(path.path) for path in pipeline.settings.lake.glob(f"{pattern}/gen-*/*")]
    assert found
    return found


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


def test_no_step_takes_damaged_files_for_data(pipeline: Pipeline) -> None:
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    before = pipeline.lists()
    for pattern, name in (
        ("raw/blocks/as_of=*", "build_matrix"),
        ("histories/as_of=*", "rank_lists"),
        ("models/als/as_of=*", "rank_lists"),
        ("lists/as_of=*", "publish_lists"),
        ("fallback/as_of=*", "publish_lists"),
        ("quarantine/as_of=*", "publish_lists"),
    ):
        for file in files(pipeline, pattern):
            whole = file.read_bytes()
            flip(file)
            with pytest.raises(LakeFileError, match=f"{file.name} is damaged .checksum"):
                step(pipeline, name)
            file.write_bytes(whole)
    assert pipeline.lists() == before
    assert pipeline.query("SELECT run_id FROM recs.run") == [(1,)]


def test_raw_windows_that_a_power_cut_emptied_are_read_again(pipeline: Pipeline) -> None:
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    before = pipeline.lists()
    damaged = files(pipeline, "raw/*/mapping=*/window=*") + files(pipeline, "raw/users/as_of=*")
    for file in damaged:
        os.truncate(file, 0)
    for manifest in list(pipeline.settings.lake.glob("raw/interactions/**/manifest.json")):
        os.truncate(manifest.path, 0)

    pipeline.run(DAY)

    assert pipeline.lists() == before
    assert not any(file.exists() for file in damaged)
