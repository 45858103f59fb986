"""Lookups without pause while runs are published, rolled back and removed."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr

from jobs.sandbox.servers import pgbench_path
from jobs.sinks.postgres import lookup, switching
from tests.logins import as_admin
from tests.postgres.publications import go

CLIENTS, USERS, LENGTH = 8, 50, 20
#: Fails on an answer that is empty, short, or made of two runs: run r lists items r*1000 and up.
SCRIPT = f"""\\set user random(1, {USERS})
SELECT 1 / (count(*) = {LENGTH} AND count(DISTINCT item_id / 1000) = 1)::int
FROM recs.top_n(:user, {LENGTH});
"""  # noqa: S608 - constants of this file


def publish_run(uri: SecretStr, number: int, keep: int = 7) -> None:
    items = [number * 1000 + place for place in range(LENGTH)]
    go(uri, *((user, items) for user in range(1, USERS + 1)), keep=keep)


@contextmanager
def clients(uri: SecretStr, folder: Path, seconds: int) -> Iterator["subprocess.Popen[str]"]:
    """pgbench with the rights of an app, logging each transaction below `folder`."""
    script = folder / "lookup.sql"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [str(pgbench_path()), "-n", "-c", str(CLIENTS), "-T", str(seconds), "-f", str(script)]
    with subprocess.Popen(
        [*command, "-l", "--log-prefix", str(folder / "log"), as_admin(uri).get_secret_value()],
        env=os.environ | {"PGOPTIONS": "-c role=recsys_app"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def p99_ms(folder: Path) -> float:
    lines = [line for log in folder.glob("log*") for line in log.read_text().splitlines()]
    times = sorted(int(line.split()[2]) for line in lines)
    return times[int(len(times) * 0.99)] / 1000


def test_no_lookup_fails_or_mixes_runs(
    postgres_uri: SecretStr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_run(postgres_uri, 1)
    publish_run(postgres_uri, 2)
    idle, busy = tmp_path / "idle", tmp_path / "busy"
    for folder in (idle, busy):
        folder.mkdir()
    with clients(postgres_uri, idle, seconds=2) as running:
        assert running.wait(timeout=30) == 0
    with clients(postgres_uri, busy, seconds=8) as running:
        for number in (3, 4, 5):
            publish_run(postgres_uri, number)
        switching.rollback(postgres_uri, None)
        publish_run(postgres_uri, 6)
        switching.rollback(postgres_uri, None)
        publish_run(postgres_uri, 7, keep=2)
        assert running.poll() is None
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 0, output
    done = re.search(r"number of transactions actually processed: (\d+)", output)
    assert done is not None
    assert int(done[1]) > 1000
    assert "number of failed transactions: 0 (" in output
    assert "ERROR" not in output
    kept = [run.run_id for run in lookup.runs(postgres_uri, 20) if run.status == "published"]
    assert kept == [7, 6]
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{CLIENTS} clients, {done[1]} lookups: p99 idle {p99_ms(idle):.1f} ms, "
            f"during 5 publications, 2 rollbacks, 1 removal {p99_ms(busy):.1f} ms"
        )


@pytest.mark.chaos
def test_no_lookup_fails_or_mixes_runs_in_98_publications(
    postgres_uri: SecretStr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An analyst's transaction stays open over every second ten of them."""
    publish_run(postgres_uri, 1)
    with clients(postgres_uri, tmp_path, seconds=3600) as running:
        for tens in range(10):
            with closing(psycopg2.connect(postgres_uri.get_secret_value())) as analyst:
                if tens % 2:
                    analyst.cursor().execute("SELECT count(*) FROM recs.user_list")
                for number in range(10 * tens + 2, min(10 * tens + 12, 100)):
                    publish_run(postgres_uri, number, keep=2)
                    assert lookup.top_n(postgres_uri, "1", 1)[0].item_id == str(number * 1000)
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    assert "ERROR" not in output
    answers = sum(len(log.read_text().splitlines()) for log in tmp_path.glob("log*"))
    assert answers > 1000
    with capsys.disabled():
        print(f"\n{CLIENTS} clients, 98 publications, {answers:,} lookups: 0 failed or mixed")  # noqa: T201
