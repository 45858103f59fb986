"""A run over an empty lake, without any server."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from upath import UPath

from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from recsys.as_of import AsOf
from recsys.config import Config


@pytest.fixture
def arguments(tmp_path: Path, config: Config) -> RunArguments:
    """Of the shipped configuration, as of 2026-01-03."""
    settings = Settings(
        postgres_uri=None,
        mongo_uri=None,
        lake=UPath(tmp_path / "lake"),
        sandbox=tmp_path,
        config=tmp_path,
        submitted=False,
    )
    observed_at = datetime(2026, 1, 3, 2, tzinfo=UTC)
    return RunArguments(AsOf.parse("2026-01-03"), config, settings, observed_at)
