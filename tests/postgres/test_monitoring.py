"""`recsys metrics`, and the alerts and the dashboard that rest on it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs.app.metrics import METRICS
from jobs.cli.main import app
from jobs.lake.facts import CheckFacts, EventCheck, StepFacts, ViolationFacts
from jobs.run import settings
from jobs.run.entrypoint import lake_of
from jobs.stores.stages import stage_partition
from recsys.errors import HeldError
from tests.finished_nights import DAY, FinishedNight, Publisher
from tests.postgres.publications import query

MONITORING: Final = Path(__file__).parents[2] / "docs" / "monitoring"
RULES: Final = MONITORING / "alerts.yml"
DASHBOARD: Final = MONITORING / "dashboard.json"
NEWEST: Final = datetime(2025, 12, 31, 23, 57, tzinfo=UTC)
LISTS: Final = {user: [10, 11, 12] for user in range(40)}
#: What node_exporter adds to every file that it reads.
OF_NODE_EXPORTER: Final = {"node_textfile_mtime_seconds": {"file"}}
OF_EVERY_TARGET: Final = {"instance", "job"}


@pytest.fixture
def nights(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live night that took a while, and a later one that is held back."""
    monkeypatch.setenv(
        settings.POSTGRES_URI, publisher.settings.require_postgres().get_secret_value()
    )
    monkeypatch.setenv(settings.LAKE, str(publisher.settings.lake))
    lake, later = lake_of(publisher.settings), DAY + timedelta(days=1)
    with stage_partition(lake, "sources", DAY).replace() as draft:
        read = EventCheck(windows=(), mix={}, newest=NEWEST)
        CheckFacts(events={"events": read}).note(draft)
    publisher.publish(FinishedNight(lists=LISTS, members=50))
    with pytest.raises(HeldError):
        publisher.publish(
            FinishedNight(lists={user: [20] for user in range(30)}, as_of=later, members=50)
        )
    with lake.as_of("steps/rank_lists", later).replace() as draft:
        StepFacts(seconds=12.5).note(draft)


def told(*arguments: str) -> Mapping[str, Metric]:
    shown = CliRunner().invoke(app, ["metrics", *arguments])
    assert shown.exit_code == 0, shown.output
    return {family.name: family for family in text_string_to_metric_families(shown.stdout)}


def values(family: Metric) -> dict[str, float]:
    """Samples by the value of their one label, or by nothing."""
    return {"".join(sample.labels.values()): sample.value for sample in family.samples}


@pytest.mark.usefixtures("nights")
def test_metrics_tell_of_the_live_run_and_of_the_last_one(postgres_uri: SecretStr) -> None:
    found = {name: values(family) for name, family in told().items()}
    assert found["recsys_live_run_id"] == {"": 1}
    assert found["recsys_live_as_of_timestamp_seconds"] == {"": DAY.instant.timestamp()}
    assert found["recsys_live_data_through_timestamp_seconds"] == {"": NEWEST.timestamp()}
    assert query(postgres_uri, "SELECT data_through FROM recs.freshness") == [(NEWEST,)]
    assert (found["recsys_live_lists"], found["recsys_live_list_places"]) == ({"": 40}, {"": 3})
    assert (found["recsys_held_runs"], found["recsys_run_id"]) == ({"": 1}, {"": 2})
    outcomes = found["recsys_last_night_outcome"]
    assert ({name for name, on in outcomes.items() if on}, len(outcomes)) == ({"held"}, 7)
    assert found["recsys_run_lists"] == {"": 30}
    # Of 50 members 20 have no list; of 40 users before 30 are kept, with nothing in common.
    assert found["recsys_run_fallback_ratio"] == {"": 0.4}
    figures = found["recsys_gate_figure"]
    assert (figures["users_kept"], figures["overlap"]) == (0.75, 0)
    assert found["recsys_gate_minimum"] == {"users_kept": 0.8, "overlap": 0.2}
    assert found["recsys_gate_maximum"] == {"fallback_share": 0.99, "score_drift": 3.0}
    assert found["recsys_step_duration_seconds"] == {"rank_lists": 12.5}


@pytest.mark.usefixtures("nights")
def test_a_contract_that_stopped_the_last_night_is_its_outcome(publisher: Publisher) -> None:
    broken = ViolationFacts(
        table="raw/events", rule="volume", severity="fail", observed=0.05, allowed="at least 0.2"
    )
    night = stage_partition(lake_of(publisher.settings), "sources", DAY + timedelta(days=2))
    with night.replace() as draft:
        CheckFacts(violations=(broken,)).note(draft)
    assert values(told()["recsys_last_night_outcome"])["stopped"] == 1


@pytest.mark.usefixtures("nights")
def test_a_file_is_replaced_as_a_whole_and_kept_where_postgres_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "collector" / "recsys.prom"
    file.parent.mkdir()
    told("--textfile", str(file))
    written = file.read_bytes()
    assert b"recsys_live_run_id 1.0\n" in written
    assert list(file.parent.iterdir()) == [file]
    monkeypatch.setenv(settings.POSTGRES_URI, "postgresql://127.0.0.1:1/nothing")
    failed = CliRunner().invoke(app, ["metrics", "--textfile", str(file)])
    assert (failed.exit_code, file.read_bytes()) == (31, written)


# --- what rests on them ---------------------------------------------------------------------------


def promtool(*arguments: str, given: str | None = None) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool on the PATH; Debian's package prometheus has it")
    said = subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.usefixtures("nights")
def test_promtool_takes_the_metrics() -> None:
    shown = CliRunner().invoke(app, ["metrics"]).stdout
    # It takes nothing at all, too.
    assert "recsys_live_run_id 1.0" in shown
    promtool("check", "metrics", given=shown)


def test_promtool_takes_the_alerts_and_they_fire_when_they_should(tmp_path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    by_name = {rule["alert"]: rule for rule in rules()}
    series = {
        "recsys_held_runs": "0x30 1x30",
        "recsys_live_run_id": "1x60",
        "recsys_live_as_of_timestamp_seconds": "0x60",
    }
    expected = [
        ("47h", "RecsysListsOld", None),
        ("49h", "RecsysListsOld", "2d 1h 0m 0s"),
        ("30h", "RecsysRunHeld", None),
        ("31h", "RecsysRunHeld", "1"),
        ("49h", "RecsysNothingLive", None),
    ]

    def fired(name: str, value: str) -> dict[str, Any]:
        rule = by_name[name]
        summary = re.sub(r"\{\{.*?\}\}", value, rule["annotations"]["summary"])
        annotations = rule["annotations"] | {"summary": summary}
        return {"exp_labels": rule["labels"], "exp_annotations": annotations}

    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1h",
        "tests": [
            {
                "interval": "1h",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": name,
                        "exp_alerts": [] if value is None else [fired(name, value)],
                    }
                    for at, name, value in expected
                ],
            }
        ],
    }
    file = tmp_path / "alerts.yml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    promtool("test", "rules", str(file))


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        assert panel["targets"]
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            (name,) = re.findall(r"^label_values\((\w+), \w+\)$", variable["query"])
            yield variable["name"], name


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_every_query_names_metrics_and_labels_that_there_are(where: str, query: str) -> None:
    there = {metric.name: set(metric.labels) for metric in METRICS} | OF_NODE_EXPORTER
    named = re.findall(
        r"\b([a-z]+(?:_[a-z]+)+)\b(?!\()(?:\{([^}]*)\})?", re.sub(r'"[^"]*"', "", query)
    )
    assert named, where
    for name, matchers in named:
        assert name in there, where
        assert set(re.findall(r"(\w+)\s*(?:=|!)", matchers)) <= there[name] | OF_EVERY_TARGET, where


def test_every_metric_is_in_the_guide() -> None:
    guide = MONITORING.with_suffix(".md").read_text(encoding="utf-8")
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in guide] == []
