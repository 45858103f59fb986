"""What analysts read of a run beside its lists, and of nights that never had any."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from jobs.lake.facts import RuleFacts
from recsys.as_of import AsOf
from recsys.errors import RecsysError
from recsys.evaluation.run_metrics import RunMetric


@dataclass(frozen=True)
class RunAnalysis:
    """Items, figures and rules of a run."""

    items: pa.Table
    """Columns of `recs.item` but for the run, in its order; ids as text."""
    population: Sequence[Mapping[str, Any]]
    """Rows of `recs.population` but for the run."""
    metrics: Sequence[RunMetric]
    rules: Sequence[RuleFacts]


@dataclass(frozen=True)
class StoppedNight:
    """A night that ended before it had lists."""

    as_of: AsOf
    step: str
    error: RecsysError
    reason: str
    """The error's message, fit to be shown."""
    config_hash: str
    rules: Sequence[RuleFacts]
    """What the check that stopped it found."""


def add_analysis(connection: Connection, run_id: int, analysis: RunAnalysis) -> None:
    """Adds what is known of a run, in the transaction that is open."""
    rules = [each.model_dump() for each in analysis.rules]
    with connection.cursor() as cursor:
        cursor.copy_expert(statement("publish/add_items"), _as_csv(analysis.items, run_id))
        metrics = _as_json(list(map(asdict, analysis.metrics)))
        cursor.execute(statement("publish/add_metrics"), {"run_id": run_id, "rows": metrics})
        population = _as_json(analysis.population)
        cursor.execute(statement("publish/add_population"), {"run_id": run_id, "rows": population})
        values = {"run_id": run_id, "stop_id": None, "rows": _as_json(rules)}
        cursor.execute(statement("publish/add_rules"), values)


def add_stopped_night(uri: SecretStr, night: StoppedNight) -> None:
    """Notes a night that ended before it had lists, and why."""
    values = {
        "as_of": night.as_of.instant,
        "step": night.step,
        "error": type(night.error).__name__,
        "exit_code": night.error.exit_code,
        "reason": _storable(night.reason),
        "config_hash": night.config_hash,
        "code_version": version("recsys"),
    }
    rules = [each.model_dump() for each in night.rules]
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("publish/add_stopped"), values)
        (stop_id,) = cursor.fetchone() or (0,)
        values = {"run_id": None, "stop_id": stop_id, "rows": _as_json(rules)}
        cursor.execute(statement("publish/add_rules"), values)


def _storable(text: str) -> str:
    """A text that Postgres takes: a message may quote anything that a source holds."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


def _as_csv(items: pa.Table, run_id: int) -> io.BytesIO:
    """Items in the order of the columns of `publish/add_items`."""
    ids, title, available, tags, attributes, *counts = items.columns
    run = pa.repeat(run_id, len(items))
    labels = (_array_literals(each.combine_chunks()) for each in (tags, attributes))
    columns = [run, ids, title, available, *labels, *counts]
    text = io.BytesIO()
    rows = pa.table(columns, [str(place) for place in range(len(columns))])
    csv.write_csv(rows, text, csv.WriteOptions(include_header=False))
    text.seek(0)
    return text


def _array_literals(labels: pa.ListArray) -> pa.Array:
    """Lists of texts as Postgres writes arrays; an empty one for none."""
    quoted = pc.list_flatten(labels)
    for special in ("\\", '"'):
        quoted = pc.replace_substring(quoted, special, f"\\{special}")
    quoted = pc.binary_join_element_wise('"', quoted, '"', "")
    lengths = pc.fill_null(pc.list_value_length(labels), 0).to_numpy()
    offsets = pa.array(np.cumsum([0, *lengths]), pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, quoted), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, allow_nan=False)
