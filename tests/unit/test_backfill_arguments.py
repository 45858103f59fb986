"""What `recsys backfill` says of arguments that cannot be meant, before it asks any server."""

import pytest
from typer.testing import CliRunner

from jobs.cli.main import app

RANGE = ["backfill", "--from", "2026-01-01", "--to", "2026-01-01T18:00Z"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["backfill", "--from", "2026-01-01T06:00Z", "--to", "2026-01-01"],
            "lies after 2026-01-01",
        ),
        (
            ["backfill", "--from", "yesterday", "--to", "2026-01-01"],
            "neither a date like 2026-01-01",
        ),
        ([*RANGE, "--every", "6w"], "'6w' is no span of time like 90m, 6h or 1d"),
        ([*RANGE, "--every", "0h"], "'0h' is no span of time"),
        ([*RANGE, "--every", "-6h"], "'-6h' is no span of time"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_named(words: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())
