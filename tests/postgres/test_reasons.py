"""Why an item is on a list, as an analyst asks the server."""

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pydantic import SecretStr

from jobs.sinks.base import RunRecord
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys.errors import PublishedSideError
from recsys.schemas import LISTS
from tests.postgres.publications import BIGINT, DAY, go, passed, popular, query, tables

RECORD = RunRecord(DAY, "hash", "1.0", ("als", "graph", "explore"), {})
#: Places before: 300 (256 + 44), none, 1; own items: second, none, first; shares: 1, 0, 0.2.
PLACES = ([1, 44, 0, 2, 255, 148, 0], [0, 0, 0, 0, 0, 128, 88], [0, 1, 0, 1, 51, 255, 108])
REASONS = b"".join(map(bytes, PLACES))


@pytest.fixture
def published(postgres_uri: SecretStr) -> SecretStr:
    """A run in which user 1 has three items because of items 7 and 8, and user 2 no reasons."""
    rows = [
        {
            "user_id": 1,
            "item_ids": [10, 11, 12],
            "scores": [3.0, 2.0, 1.0],
            "sources": [0, 2, 1],
            "propensities": [1.0, 0.25, 1.0],
            "because_ids": [7, 8],
            "reasons": REASONS,
        },
        {"user_id": 2, "item_ids": [10], "scores": [1.0], "sources": [0], "propensities": [1.0]},
    ]
    lists = ds.dataset(pa.Table.from_pylist(rows, schema=LISTS.arrow(BIGINT)))
    made = tables(BIGINT, lists, popular(BIGINT, 70))
    publish(PostgresSink(postgres_uri, BIGINT), RECORD, made, passed, 7)
    return postgres_uri


def why(uri: SecretStr, user: int, item: int, run: str = "NULL") -> tuple[Any, ...]:
    text = f"SELECT * FROM recs.why({user}, {item}, {run})"  # noqa: S608
    (row,) = query(uri, text, "recsys_analyst")
    return row[2:]  # after run_id and as_of


def verdict(uri: SecretStr, user: int, item: int) -> str:
    return str(why(uri, user, item)[0])


def test_records_are_read_as_they_were_written(published: SecretStr) -> None:
    generators = ["als", "graph"]
    assert why(published, 1, 10) == (
        "listed", 1, 3.0, "als", 1.0, 300, 8, 1.0, generators, [1.0, None]
    )  # fmt: skip
    assert why(published, 1, 11) == (
        "listed", 2, 2.0, "explore", 0.25, None, None, None, generators, [0.0, -4.0]
    )  # fmt: skip
    row = why(published, 1, 12)
    assert row[:7] == ("listed", 3, 1.0, "graph", 1.0, 1, 7)
    assert row[7:] == (pytest.approx(0.2), generators, [pytest.approx(40.3225), -1.0])


def test_lists_without_reasons_and_pairs_without_a_place_say_so(published: SecretStr) -> None:
    assert why(published, 2, 10)[:8] == ("listed", 1, 1.0, "als", 1.0, None, None, None)
    assert why(published, 1, 99) == ("not listed", *[None] * 9)
    assert verdict(published, 3, 10) == "no list"
    assert query(published, "SELECT * FROM recs.why(1, 10, 77)") == []


def test_what_happened_since_is_told_and_hidden(published: SecretStr) -> None:
    query(published, "SELECT recs.remove_item(8), recs.block(1, 7), recs.block(1, 11)")
    assert why(published, 1, 10)[:8] == ("listed", 1, 3.0, "als", 1.0, 300, None, None)
    assert why(published, 1, 12)[6] is None
    assert verdict(published, 1, 11) == "blocked since"
    query(published, "SELECT recs.remove_item(12)")
    assert verdict(published, 1, 12) == "removed since"
    query(published, "SELECT recs.forget_user(1)", "recsys_moderator")
    assert why(published, 1, 10) == ("forgotten", *[None] * 9)
    held = "SELECT count(*) FROM recs.user_list WHERE reasons IS NOT NULL"
    assert query(published, held) == [(0,)]


def test_a_run_can_be_named_and_apps_may_not_ask(published: SecretStr) -> None:
    go(published, (1, [50]))
    assert verdict(published, 1, 10) == "not listed"
    assert why(published, 1, 10, "1")[:2] == ("listed", 1)
    with pytest.raises(PublishedSideError, match="permission denied for function why"):
        query(published, "SELECT * FROM recs.why(1, 10)", "recsys_app")


def test_reasons_follow_into_other_sinks(published: SecretStr) -> None:
    found = PostgresSink(published, BIGINT).tables(1).lists.to_table().to_pylist()
    assert [(row["because_ids"], row["reasons"]) for row in found] == [
        ([7, 8], REASONS),
        (None, None),
    ]
