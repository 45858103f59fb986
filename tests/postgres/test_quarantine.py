"""What analysts see of the rows that a run could not use, and for how long."""

import time
from typing import Any

import pytest
from pydantic import SecretStr

from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys.errors import HeldError, PublishedSideError
from recsys.sections.ids import Ids
from tests.postgres.publications import DAY, RECORD, go, held, lists, passed, popular, query, tables

ROWS = "SELECT run_id, source, user_id, item_id, reject_reason, source_row FROM recs.quarantine"


def refused(user: Any = None, item: Any = None, row: str | None = "{}") -> dict[str, Any]:
    rule = {"source": "events", "reject_reason": "unknown event_type"}
    return {**rule, "user_id": user, "item_id": item, "source_row": row}


def test_an_analyst_sees_every_row_as_it_was_read(postgres_uri: SecretStr) -> None:
    edge, odd = -(2**63), '{"value": NaN, "text": "\\u0000 🎈 \\\\N \\", }'
    bad = [refused(edge, 2**63 - 1, odd), refused(row=None), refused(row="x" * 1_000_000)]
    run = go(postgres_uri, (1, [10]), refused=bad).run_id
    rule = (run, "events")
    assert query(postgres_uri, f"{ROWS} ORDER BY length(source_row)", "recsys_analyst") == [
        (*rule, str(edge), str(2**63 - 1), "unknown event_type", odd),
        (*rule, None, None, "unknown event_type", "x" * 1_000_000),
        (*rule, None, None, "unknown event_type", None),
    ]
    assert query(postgres_uri, "SELECT DISTINCT as_of FROM recs.quarantine") == [(DAY.instant,)]


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("recsys_app", ROWS),
        ("recsys_moderator", ROWS),
        ("recsys_app", "SELECT * FROM recs.quarantined_row"),
        ("recsys_analyst", "SELECT * FROM recs.quarantined_row"),
        ("recsys_analyst", "DELETE FROM recs.quarantined_row RETURNING 1"),
    ],
)
def test_nobody_else_reads_them_and_nobody_changes_them(
    postgres_uri: SecretStr, role: str, text: str
) -> None:
    go(postgres_uri, (1, [10]), refused=[refused(1)])
    with pytest.raises(PublishedSideError, match="permission denied"):
        query(postgres_uri, text, role)
    assert len(query(postgres_uri, ROWS)) == 1


def test_a_held_run_shows_its_rows_and_a_retired_one_has_none(postgres_uri: SecretStr) -> None:
    go(postgres_uri, (1, [10]), refused=[refused(1)], keep=1)
    with pytest.raises(HeldError):
        go(postgres_uri, (1, [11]), audit=held, refused=[refused(2)], keep=1)
    assert [row[0] for row in query(postgres_uri, f"{ROWS} ORDER BY run_id")] == [1, 2]
    go(postgres_uri, (1, [12]), refused=[refused(3), refused(4)], keep=1)
    assert [row[0] for row in query(postgres_uri, f"{ROWS} ORDER BY run_id")] == [2, 3, 3]
    assert query(postgres_uri, "SELECT count(*) FROM recs.quarantined_row") == [(3,)]


def test_rows_of_a_publication_that_broke_off_are_never_seen(postgres_uri: SecretStr) -> None:
    def killed(_: int | None) -> Any:
        # The audit runs beside the load.
        deadline = time.monotonic() + 60
        while query(postgres_uri, "SELECT count(*) FROM recs.quarantined_row") != [(1,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert query(postgres_uri, ROWS) == []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(postgres_uri, (1, [10]), audit=killed, refused=[refused(1)])
    assert query(postgres_uri, ROWS) == []
    go(postgres_uri, (1, [10]))
    assert query(postgres_uri, "SELECT count(*) FROM recs.quarantined_row") == [(0,)]


@pytest.mark.parametrize(
    ("ids", "gone", "other"),
    [
        (Ids(), -7, 7),
        (Ids(user="text", item="text"), "it's 'me'; --", "x" * 10_000),
        (
            Ids(user="uuid", item="bigint"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "00000000-0000-0000-0000-000000000000",
        ),
    ],
    ids=["bigint", "text", "uuid"],
)
def test_a_forgotten_user_is_in_no_row(
    bare_postgres_uri: SecretStr, ids: Ids, gone: Any, other: Any
) -> None:
    migrate(bare_postgres_uri, ids)
    item = "a" if ids.item == "text" else 1
    bad = [refused(gone), refused(other), refused(gone), refused(None, item)]
    made = tables(ids, lists(ids, (gone, [item])), popular(ids, item), *bad)
    publish(PostgresSink(bare_postgres_uri, ids), RECORD, made, passed, 7)
    literal = str(gone).replace("'", "''")
    forget = f"SELECT recs.forget_user('{literal}'::{ids.user})"
    query(bare_postgres_uri, forget, "recsys_moderator")
    left = query(bare_postgres_uri, "SELECT user_id FROM recs.quarantine ORDER BY 1")
    assert left == [(str(other),), (None,)]


def test_rows_of_a_user_who_was_forgotten_meanwhile_are_not_published(
    postgres_uri: SecretStr,
) -> None:
    query(postgres_uri, "SELECT recs.forget_user(1)", "recsys_moderator")
    go(postgres_uri, (2, [10]), refused=[refused(1), refused(3)])
    assert query(postgres_uri, "SELECT user_id FROM recs.quarantine") == [("3",)]
