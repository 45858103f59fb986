"""One bad row of each kind, from every source that may hold some, as an analyst finds it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typer.testing import CliRunner

from jobs.app.forgetting import mentions
from jobs.cli.main import app
from jobs.lake.partitions import Lake
from jobs.sinks.postgres.sink import PostgresSink
from recsys.sections.ids import Ids
from recsys.sections.sources import Sources
from tests.e2e.conftest import OPEN_GATES, Pipeline
from tests.e2e.inputs import DAY, USUAL, at, fill, stray

#: What the view says of a row: source, user, item, rule.
Key = tuple[str, str | None, str | None, str]

DOCUMENTS: Mapping[Key, dict[str, Any]] = {
    ("events", None, "10", "user_id is not a bigint"): stray(user_id="no\x00body"),
    ("events", None, "10", "user_id is null"): stray(user_id=None),
    ("events", "2", None, "item_id is not a bigint"): stray(item_id=[10]),
    ("events", "2", None, "item_id is null"): stray(item_id=None),
    ("events", "2", "10", "event_type is null"): stray(type=None),
    ("events", "2", "10", "unknown event_type"): stray(type="stare"),
    ("events", "2", "10", "occurred_at is null"): stray(ts=None),
    ("events", "2", "10", "occurred_at is not a date"): stray(ts="today"),
    ("events", "2", "10", "arrived_at is null"): stray(received_at=None),
    ("events", "2", "10", "occurred_at is in the future"): stray(ts=at(-500)),
}
#: Sources whose ids are text, and the rows of theirs that hold no id.
LOOSE = {
    "users": ("user_id, active", "('1', true), ('two', true)"),
    "items": ("item_id, available", "('10', true), ('11', true), ('12', true), ('', true)"),
    "blocks": ("user_id, item_id", "('1', 'eleven'), ('2', NULL)"),
}
ROWS: Mapping[Key, str] = {
    ("interactions", "1", "12", "value is not finite"): '"value": "nan"',
    ("users", None, None, "user_id is not a bigint"): '"user_id": "two"',
    ("items", None, None, "item_id is not a bigint"): '"item_id": ""',
    ("blocks", "1", None, "item_id is not a bigint"): '"item_id": "eleven"',
    ("blocks", "2", None, "item_id is null"): '"item_id": null',
}


def loose_sources(pipeline: Pipeline) -> Sources:
    """The sources, with users, items and blocks of any text."""
    changed = {}
    for name, (columns, rows) in LOOSE.items():
        table = f"market.loose_{name}"
        pipeline.query(
            f"CREATE TABLE {table} AS SELECT * FROM (VALUES {rows}) AS v ({columns}); SELECT 1"  # noqa: S608
        )
        mapping = {column: column for column in columns.split(", ")}
        kind = type(getattr(pipeline.config.sources, name))
        changed[name] = kind.model_validate({"table": table, "columns": mapping})
    return pipeline.config.sources.model_copy(update=changed)


def quarantine(pipeline: Pipeline, run_id: int) -> dict[Key, str]:
    """The rows as read, by what the view says of them."""
    rows = pipeline.query(
        """SELECT source, user_id, item_id, reject_reason, source_row
        FROM recs.quarantine WHERE run_id = %s""",
        (run_id,),
    )
    found: dict[Key, str] = {row[:4]: row[4] for row in rows}
    assert len(found) == len(rows)
    return found


def test_every_kind_of_bad_row_is_there_with_key_rule_value_and_run(
    pipeline: Pipeline, environment: dict[str, str]
) -> None:
    rating = (1, 12, "rating", float("nan"), 1.0)
    fill(
        pipeline,
        replace(
            USUAL,
            interactions=[*USUAL.interactions, rating],
            stray=[dict(document) for document in DOCUMENTS.values()],
        ),
    )
    sources = loose_sources(pipeline)
    pipeline.run(DAY, gates=OPEN_GATES, sources=sources)
    found = quarantine(pipeline, 1)
    assert set(found) == {*DOCUMENTS, *ROWS}
    assert {key: text for key, text in ROWS.items() if text not in found[key]} == {}
    assert r'"user_id": "no\u0000body"' in found["events", None, "10", "user_id is not a bigint"]
    assert '"item_id": [10]' in found["events", "2", None, "item_id is not a bigint"]

    uri, lake = pipeline.settings.require_postgres(), Lake(pipeline.settings.lake)
    assert mentions(PostgresSink(uri, Ids()), lake, pipeline.config, 2) > 2 * 9
    result = CliRunner().invoke(app, ["forget-user", "2"], env=environment)
    assert result.exit_code == 0, result.output
    assert mentions(PostgresSink(uri, Ids()), lake, pipeline.config, 2) == 0
    assert set(quarantine(pipeline, 1)) == {key for key in found if key[1] != "2"}
