"""`dbt source freshness` on the published side: it passes on fresh lists, fails on stale ones."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

from jobs.db.statements import SQL
from tests.logins import as_admin
from tests.postgres.publications import go, query

VENV: Final = Path(__file__).parents[2] / "build" / "dbt"
REQUIREMENTS: Final = SQL / "dbt" / "requirements.txt"
SECONDS: Final = 300


@pytest.fixture(scope="module")
def dbt() -> Path:
    """dbt in a virtual environment of its own, which stays for the next time."""
    ready = VENV / "requirements.txt"
    if not ready.is_file() or ready.read_bytes() != REQUIREMENTS.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        install = [
            VENV / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-compile",
        ]
        done = subprocess.run(
            [*map(str, install), "-r", str(REQUIREMENTS)],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode:
            pytest.skip(f"dbt cannot be installed: {done.stderr.strip()[-200:]}")
        shutil.copy(REQUIREMENTS, ready)
    return VENV / "bin" / "dbt"


@pytest.fixture
def freshness(
    dbt: Path, postgres_uri: SecretStr, tmp_path: Path
) -> Callable[[], tuple[int, str, str]]:
    """Runs `dbt source freshness` with an analyst's rights; gives exit code, source and state."""
    project = shutil.copytree(SQL / "dbt", tmp_path / "dbt")
    place = parse_dsn(as_admin(postgres_uri).get_secret_value())
    environment = os.environ | {
        "PGHOST": place["host"],
        "PGUSER": place["user"],
        "PGDATABASE": place["dbname"],
        "PGOPTIONS": "-c role=recsys_analyst",
        "DO_NOT_TRACK": "1",
    }

    def state() -> tuple[int, str, str]:
        command = [dbt, "--no-use-colors", "source", "freshness", "--profiles-dir", "."]
        done = subprocess.run(
            list(map(str, command)),
            check=False,
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        told = project / "target" / "sources.json"
        assert told.is_file(), done.stdout
        (found,) = json.loads(told.read_text(encoding="utf-8"))["results"]
        return done.returncode, found["unique_id"], found["status"]

    return state


def test_freshness_passes_on_fresh_lists_and_fails_on_stale_ones(
    freshness: Callable[[], tuple[int, str, str]], postgres_uri: SecretStr
) -> None:
    go(postgres_uri, (1, [10]))
    assert freshness() == (0, "source.recs.recs.freshness", "pass")
    old = "UPDATE recs.run SET published_at = now() - interval '55 hours' RETURNING run_id"
    assert query(postgres_uri, old) == [(1,)]
    assert freshness() == (1, "source.recs.recs.freshness", "error")
