"""Lineage events of a step, as Airflow's OpenLineage provider sends them: here to a file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from data_contracts.lists import TOO_LONG
from jobs.app.lineage import FLOWS, Places
from jobs.run.entrypoint import lake_of
from jobs.steps import NAMES
from recsys.as_of import AsOf
from recsys.schemas import LISTS
from tests.conftest import REPOSITORY
from tests.e2e.conftest import Pipeline, environment_of

DAY: Final = AsOf.parse("2026-01-01")
DAG: Final = "nightly_recommendations"


def places(pipeline: Pipeline) -> Places:
    return Places(lake_of(pipeline.settings), pipeline.settings, pipeline.config, DAY)


def test_what_a_night_leaves_is_written_by_one_step_and_read_after_it(two_nights: Pipeline) -> None:
    found = places(two_nights)
    steps = {step: found.of(step) for step in NAMES}
    there: set[tuple[str, str]] = {
        (each.namespace, each.name) for each in steps["extract_sources"].inputs
    }
    for each in steps.values():
        assert {(read.namespace, read.name) for read in each.inputs} <= there
        written = [(made.namespace, made.name) for made in each.outputs]
        assert len(written) == len(set(written))
        there |= set(written)
    root = str(two_nights.settings.lake)
    kept = {name.removeprefix(f"{root}/") for namespace, name in there if namespace == "file"}
    # What is no data of the night: results of checks, parameters, seconds.
    tables = {
        str(manifest.parent)
        .removeprefix(f"{root}/")
        .partition("/as_of=")[0]
        .partition("/mapping=")[0]
        for manifest in Path(root).rglob("manifest.json")
    }
    others = {name for name in tables if name.startswith(("contracts/", "night_tuning", "steps/"))}
    assert kept == tables - others
    assert set(FLOWS) == set(NAMES)


@pytest.fixture(scope="module")
def events(two_nights: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Those of `check_lists`, done once more by Airflow with a transport."""
    home = tmp_path_factory.mktemp("airflow")
    log = home / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(log), "append": True}
    environment = (
        os.environ
        | environment_of(two_nights.settings)
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=120",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "120",
            "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[1]"}',
        }
    )
    for words in (
        ("db", "migrate"),
        ("tasks", "test", DAG, "check_lists", "2026-01-01T02:00:00+00:00"),
    ):
        done = subprocess.run(
            ["airflow", *words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_an_event_has_schema_rows_and_contract_results(
    events: list[dict[str, Any]], two_nights: Pipeline
) -> None:
    (event,) = [each for each in events if each["eventType"] == "COMPLETE"]
    assert event["job"]["name"] == f"{DAG}.check_lists"
    read = {Path(each["name"]).name: each for each in event["inputs"]}
    assert set(read) == {"lists", "histories", "items"}
    lists = read["lists"]
    fields = [field["name"] for field in lists["facets"]["schema"]["fields"]]
    assert fields == [column.name for column in LISTS.columns]
    assert lists["facets"]["version"]["datasetVersion"] == str(DAY)
    made = len(two_nights.lists())
    assert lists["inputFacets"]["inputStatistics"]["rowCount"] == made
    held = lists["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {each["name"] for each in held} >= {"nulls in item_ids", TOO_LONG}
    assert all(each["success"] for each in held)
