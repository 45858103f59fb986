"""The nightly run on MongoDB servers that do not share a line of code."""

from datetime import timedelta
from typing import Any

import pytest
from bson import Int64, ObjectId
from pydantic import SecretStr
from upath import UPath

from jobs.sandbox.seed import make_market
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.sections.ranking import Ranking
from tests.e2e.conftest import Pipeline
from tests.mongo_servers import EMBEDDED, SERVERS

END = AsOf.parse("2026-01-01")
AT = END.instant - timedelta(hours=30)
EVENT: dict[str, Any] = {
    "user_id": Int64(1),
    "item_id": Int64(100_001),
    "type": "view",
    "ts": AT,
    "received_at": AT,
}
#: Values of one field, usable or not, some of them instants that no window holds.
ODD: dict[str, tuple[Any, ...]] = {
    "item_id": (100_002, 100_003.0, "100004", 5.5, ObjectId("6" * 24), [100_002], {"id": 7}, True),
    "user_id": (None, "ten", 1.5, False),
    "ts": ("today", None, 0, [AT], {"at": AT}, True),
    "received_at": ("today", None, 0, [AT], [AT, AT - timedelta(days=9)], {}),
}
STRAYS = [EVENT, *(EVENT | {field: v} for field, values in ODD.items() for v in values)]


@pytest.mark.parametrize("any_mongo_uri", [s for s in SERVERS if s != EMBEDDED], indirect=True)
def test_a_night_is_the_same_on_every_server(
    pipeline: Pipeline, any_mongo_uri: SecretStr, tmp_path: UPath
) -> None:
    changes = {"mongo_uri": any_mongo_uri, "lake": UPath(tmp_path / "other")}
    settings = pipeline.settings.model_copy(update=changes)
    for each in (pipeline, Pipeline(settings, pipeline.config)):
        each.load(make_market(200, 100, 20, 3_000, 3, END))
        with database(each.settings.require_mongo()) as mongo:
            mongo["events"].insert_many(dict(stray) for stray in STRAYS)
        each.run(END, ranking=Ranking(method="sum"))
    runs = "SELECT count(*), count(DISTINCT list_hash), min(users) > 100 FROM recs.run"
    assert pipeline.query(runs) == [(2, 1, True)]
    unlike = """SELECT source, user_id, item_id, reject_reason, count(*) FROM recs.quarantine
        GROUP BY 1, 2, 3, 4 HAVING count(*) FILTER (WHERE run_id = 1) <> count(*) / 2.0"""
    assert pipeline.query(unlike) == []
    assert pipeline.query("SELECT count(*) > 30 FROM recs.quarantine WHERE run_id = 1") == [(True,)]
