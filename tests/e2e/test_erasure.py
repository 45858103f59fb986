"""A forgotten person is nowhere to be found."""

import json
from datetime import date

from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.io.erasure import mentions
from jobs.io.files import read_table
from jobs.io.lake import Lake
from jobs.io.mongo import database
from jobs.sandbox.seed import make_market
from tests.e2e.conftest import Pipeline

DAY = date(2026, 1, 1)


def test_nothing_is_left_of_a_forgotten_user(
    pipeline: Pipeline, environment: dict[str, str]
) -> None:
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    pipeline.run(DAY)
    uri, lake = pipeline.settings.require_postgres(), Lake(pipeline.settings.lake)
    user = next(user for user, items in pipeline.lists().items() if items)
    others = {u: items for u, items in pipeline.lists().items() if u != user}
    with database(pipeline.settings.require_mongo()) as mongo:
        mongo["events"].insert_one({"user_id": user, "item_id": 1, "type": "stare", "ts": None})
    lake.clear()
    pipeline.run(DAY)
    assert mentions(uri, lake, pipeline.config, user) > 5

    result = CliRunner().invoke(app, ["forget-user", str(user)], env=environment)

    assert result.exit_code == 0, result.output
    assert f"finds nothing of {user}" in result.output
    assert mentions(uri, lake, pipeline.config, user) == 0
    everything = [
        json.dumps(read_table(file).to_pylist(), default=str)
        for partition in lake.partitions()
        for file in partition.files()
        if file.path.suffix == ".parquet"
    ]
    assert not any(f'"user_id": {user},' in text for text in everything)
    assert pipeline.lists() == others
    assert pipeline.query("SELECT count(*) FROM recs.top_n(%s, 5)", (user,)) == [(5,)]

    pipeline.run(DAY)
    assert pipeline.query("SELECT source FROM recs.top_n(%s, 1)", (user,)) == [("popular",)]
