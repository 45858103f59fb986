"""Runs published from rows that a test writes down, and what the server then holds."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sinks.base import RunRecord, RunTables
from jobs.sinks.postgres import lookup
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import Auditor, Published, publish
from recsys.as_of import AsOf
from recsys.evaluation.audit import AuditVerdict, RunFacts, audit
from recsys.schemas import FALLBACK, LISTS, QUARANTINE
from recsys.sections.gates import Gates
from recsys.sections.ids import Ids
from tests.logins import as_admin

DAY = AsOf.parse("2026-01-01")
RECORD = RunRecord(DAY, "hash", "1.0", ("als", "popularity"), {"read": {}})
BIGINT = Ids()
#: What `held` finds.
NARROW = "0.02 is below gates.min_coverage = 0.5"
#: How many tables of lists there are.
TABLES = "SELECT count(*) FROM pg_class WHERE relname LIKE 'user\\_list\\_run\\_%' AND relkind='r'"


def lists(ids: Ids, *rows: tuple[Any, list[Any]]) -> ds.Dataset:
    """A `lists` dataset; scores fall from 1; models, and propensities 1 and 0.5, alternate."""
    table = pa.Table.from_pylist(
        [
            {
                "user_id": user,
                "item_ids": items,
                "scores": [1.0 / (place + 1) for place in range(len(items))],
                "sources": [place % 2 for place in range(len(items))],
                "propensities": [1.0 / (1 + place % 2) for place in range(len(items))],
            }
            for user, items in rows
        ],
        schema=LISTS.arrow(ids),
    )
    return ds.dataset(table)


def popular(ids: Ids, *items: Any, **segments: list[Any]) -> pa.Table:
    """A `fallback` table: everybody's list, and those of `c=…` segments."""
    named = {"all": list(items)} | {f"c={name}": found for name, found in segments.items()}
    rows = [{"segment": k, "item_ids": v, "scores": [9.0] * len(v)} for k, v in named.items()]
    return pa.Table.from_pylist(rows, schema=FALLBACK.arrow(ids))


def tables(
    ids: Ids, published: ds.Dataset, fallback: pa.Table, *refused: dict[str, Any]
) -> RunTables:
    quarantine = pa.Table.from_pylist(list(refused), schema=QUARANTINE.arrow(ids))
    return RunTables(published, fallback, ds.dataset(quarantine))


def judged(live: int | None, gates: Gates, *, promote: bool | None = None) -> AuditVerdict:
    """What the audit says of a run that lists one of fifty items, over a run like it."""
    table = lists(BIGINT, (1, [10])).to_table()
    facts = RunFacts(DAY, table, {}, available_items=50, run_id=live)
    return audit(facts, None if live is None else facts, gates, promote=promote)


def passed(live: int | None) -> AuditVerdict:
    return judged(live, Gates())


def held(live: int | None) -> AuditVerdict:
    return judged(live, Gates(min_coverage=0.5))


def history(live: int | None) -> AuditVerdict:
    return judged(live, Gates(), promote=False)


def go(
    uri: SecretStr,
    *rows: tuple[Any, list[Any]],
    keep: int = 7,
    audit: Auditor = passed,
    refused: Sequence[dict[str, Any]] = (),
) -> Published:
    """Publishes lists as (user, items)."""
    fallback = popular(BIGINT, 70, 71, de=[80, 71, 81], fr=[90])
    made = tables(BIGINT, lists(BIGINT, *rows), fallback, *refused)
    published = publish(PostgresSink(uri, BIGINT), RECORD, made, audit, keep)
    published.require_not_held()
    return published


def query(uri: SecretStr, text: str, role: str | None = None) -> list[tuple[Any, ...]]:
    """What the server's superuser finds, or with the rights of a role."""
    with connect(as_admin(uri)) as connection, connection.cursor() as cursor:
        if role:
            cursor.execute(f"SET ROLE {role}")
        cursor.execute(text)
        return cursor.fetchall()


def items_of(uri: SecretStr, user: object, n: int = 10, segment: str | None = None) -> list[str]:
    return [item.item_id for item in lookup.top_n(uri, str(user), n, segment)]
