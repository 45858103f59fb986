"""What can go wrong in a night: each ends with its own exit code and one clear message, and the
lists that were live stay live."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from tests.e2e.conftest import Pipeline

DAY = AsOf.parse("2026-01-01")
runner = CliRunner()


@pytest.fixture
def live(pipeline: Pipeline) -> dict[int, list[int]]:
    """A marketplace with lists that are live."""
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    return pipeline.lists()


def nightly(environment: dict[str, str], day: AsOf = DAY, **changed: str) -> tuple[int, str]:
    """Exit code and message of `recsys nightly`."""
    result = runner.invoke(app, ["nightly", "--as-of", str(day)], env=environment | changed)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    messages = re.findall(r"^error: .*$", result.stderr, re.MULTILINE)
    assert len(messages) <= 1
    assert "Traceback" not in result.output
    return result.exit_code, "".join(messages)


def with_config(environment: dict[str, str], tmp_path: Path, old: str, new: str) -> dict[str, str]:
    """The environment with a configuration in which one line is changed."""
    text = Path(environment["RECSYS_CONFIG"]).read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return environment | {"RECSYS_CONFIG": str(path)}


def test_every_failure_says_what_is_wrong_and_hurts_nothing(
    pipeline: Pipeline, live: dict[int, list[int]], environment: dict[str, str], tmp_path: Path
) -> None:
    nowhere = f"postgresql://someone:pa55word@/db?host={tmp_path}"
    failures = {
        31: nightly(environment, RECSYS_POSTGRES_URI=nowhere),
        32: nightly(environment, RECSYS_MONGO_URI="mongodb://u:pa55word@127.0.0.1:1/x"),
        27: nightly(environment, AsOf.parse("2999-01-01")),
        21: nightly(environment, AsOf.parse("2001-01-01")),
        10: nightly(with_config(environment, tmp_path, "weight = 5.0", "weight = -5.0")),
        11: nightly(with_config(environment, tmp_path, '"kind"', '"sort"')),
        12: nightly(environment, RECSYS_POSTGRES_URI=""),
    }

    assert {code: found for code, (found, _) in failures.items()} == {c: c for c in failures}
    said = {code: message for code, (_, message) in failures.items()}
    assert "Postgres does not answer" in said[31]
    assert "MongoDB does not answer" in said[32]
    assert "no usable event before 2001-01-01 in market.interactions and events" in said[21]
    assert "field events.purchase.weight" in said[10]
    assert "table market.interactions has no column 'sort'; it has interaction_id" in said[11]
    assert "RECSYS_POSTGRES_URI is set to nothing" in said[12]
    assert not any("pa55word" in message for message in said.values())
    assert pipeline.lists() == live


def test_without_java_the_message_says_what_to_install(
    live: dict[int, list[int]], pipeline: Pipeline, environment: dict[str, str], tmp_path: Path
) -> None:
    command = [str(Path(sys.executable).parent / "recsys"), "nightly", "--as-of", str(DAY)]
    result = subprocess.run(
        command,
        env=os.environ | environment | {"JAVA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 41
    assert "error: Spark needs Java 17 or newer, found no Java; install" in result.stderr
    assert pipeline.lists() == live


def test_bad_input_of_a_command_is_one_message(environment: dict[str, str]) -> None:
    result = runner.invoke(app, ["top", "somebody"], env=environment)
    assert result.exit_code == 20
    assert "'somebody' is not a bigint" in result.stderr


def test_debug_shows_the_traceback(environment: dict[str, str]) -> None:
    command = ["--debug", "top", "somebody"]
    assert "Traceback" in runner.invoke(app, command, env=environment).stderr


def test_what_a_run_published_can_be_looked_at(
    live: dict[int, list[int]], environment: dict[str, str]
) -> None:
    user = next(user for user, items in live.items() if items)
    shown = runner.invoke(app, ["top", str(user), "-n", "3"], env=environment)
    assert shown.exit_code == 0
    assert all(str(item) in shown.stdout for item in live[user][:3])
    as_json = json.loads(runner.invoke(app, ["top", str(user), "--json"], env=environment).stdout)
    assert [place["item_id"] for place in as_json] == [str(item) for item in live[user][:20]]
    told = json.loads(runner.invoke(app, ["demo-report", "--json"], env=environment).stdout)
    assert told["lists"] == len(live)
    assert " live " in runner.invoke(app, ["runs"], env=environment).stdout
    uri = environment["RECSYS_POSTGRES_URI"].replace("recsys@", "recsys:pa55word@")
    secret = environment | {"RECSYS_POSTGRES_URI": uri}
    report = runner.invoke(app, ["demo-report"], env=secret).stdout
    assert "a user with everything blocked: no rows" in report
    assert "{" not in report
    assert "psql" in report
    assert "pa55word" not in report
