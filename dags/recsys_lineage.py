"""Lineage of the steps for OpenLineage: what each read and wrote, with rows and contract results.

Airflow's OpenLineage provider asks a task for it where it is installed and has a transport; else
none of this runs. No operator can see what a step's own process did, so another process looks it up
in the lake.
"""

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from recsys_tasks import STARTED_IN

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


def lineage(step: str, as_of: str) -> "OperatorLineage[Any, Any]":
    """What a step of an as-of read and wrote, as events tell it."""
    # The provider need not be installed.
    from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415

    command = [sys.executable, "-m", "jobs.app.lineage", step, "--as-of", as_of]
    said = subprocess.run(command, cwd=STARTED_IN, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        # The provider logs it and sends the event without datasets.
        raise RuntimeError(said.stderr)
    told = json.loads(said.stdout)
    return OperatorLineage(
        inputs=[_input(each) for each in told["inputs"]],
        outputs=[_output(each) for each in told["outputs"]],
    )


def _facets(told: dict[str, Any]) -> dict[str, Any]:
    from openlineage.client import facet_v2 as facets  # noqa: PLC0415

    found: dict[str, Any] = {}
    if told["fields"]:
        schema = facets.schema_dataset
        fields = [
            schema.SchemaDatasetFacetFields(
                each["name"], type=each["type"] or None, description=each["description"] or None
            )
            for each in told["fields"]
        ]
        found["schema"] = schema.SchemaDatasetFacet(fields=fields)
    if told["version"]:
        version = facets.dataset_version_dataset.DatasetVersionDatasetFacet(told["version"])
        found["version"] = version
    return found


def _input(told: dict[str, Any]) -> Any:
    from openlineage.client import facet_v2 as facets  # noqa: PLC0415
    from openlineage.client.event_v2 import InputDataset  # noqa: PLC0415

    found: dict[str, Any] = {}
    if told["rows"] is not None:
        statistics = facets.input_statistics_input_dataset
        found["inputStatistics"] = statistics.InputStatisticsInputDatasetFacet(
            rowCount=told["rows"], size=told["bytes"], fileCount=told["files"]
        )
    if told["assertions"]:
        quality = facets.data_quality_assertions_dataset
        held = [quality.Assertion(assertion="custom", **each) for each in told["assertions"]]
        found["dataQualityAssertions"] = quality.DataQualityAssertionsDatasetFacet(assertions=held)
    return InputDataset(told["namespace"], told["name"], facets=_facets(told), inputFacets=found)


def _output(told: dict[str, Any]) -> Any:
    from openlineage.client import facet_v2 as facets  # noqa: PLC0415
    from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415

    found: dict[str, Any] = {}
    if told["rows"] is not None:
        statistics = facets.output_statistics_output_dataset
        found["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=told["rows"], size=told["bytes"], fileCount=told["files"]
        )
    return OutputDataset(told["namespace"], told["name"], facets=_facets(told), outputFacets=found)


class ProcessStep(BashOperator):
    """A step that is a process of its own."""

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> "OperatorLineage[Any, Any]":  # noqa: ARG002
        """What the step read and wrote; also where it failed, by then."""
        return lineage(self.task_id, (self.env or {})["AS_OF"])


class SparkStep(SparkSubmitOperator):
    """A step that is submitted to Spark."""

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> "OperatorLineage[Any, Any]":  # noqa: ARG002
        """What the step read and wrote; also where it failed, by then."""
        return lineage(self.task_id, (self.application_args or [])[-1])
