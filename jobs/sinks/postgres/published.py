"""A published run as the audit sees it: its lists and what is known of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.arrow import arrow_session
from jobs.db.liveness import streamed
from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import RunNotThereError
from recsys.evaluation.audit import RunFacts
from recsys.ranking.policy import methods_of
from recsys.schemas import LISTS
from recsys.sections.ids import Ids, IdType

_WITHOUT_LISTS: Final = {
    "staged": "was never completed",
    "retired": "is older than the runs that are kept",
}


def run_facts(uri: SecretStr, run_id: int, ids: Ids, depth: int) -> RunFacts:
    """Facts for the audit, of a run whose lists are in Postgres, live or not.

    depth: places of a list that are read.
    Raises RunNotThereError where there is no such run, or no lists of it.
    """
    lists = read_lists(uri, run_id, ids, depth)
    with connect(uri) as connection:
        row = kept_run(connection, run_id)
    return RunFacts(
        as_of=row.as_of,
        lists=lists,
        methods=methods_of(row.orders or {}, row.weighed or {}),
        ndcg=row.ndcg,
        available_items=row.available_items,
        active_users=row.active_users,
        market=row.market,
        run_id=row.run_id,
    )


def read_lists(uri: SecretStr, run_id: int, ids: Ids, depth: int) -> pa.Table:
    """The first `depth` places of a run's lists: user_id, item_ids and scores, in no order.

    Raises RunNotThereError where the lists are not there.
    """
    with connect(uri) as connection:
        kept_run(connection, run_id)
        query = sql.SQL(statement("audit/lists")).format(
            user_type=sql.SQL(readable(ids.user)),
            item_type=sql.SQL(readable(ids.item)),
            depth=sql.Literal(depth),
            run_id=sql.Literal(run_id),
        )
        text = query.as_string(connection)
    wanted = pa.schema([LISTS.arrow(ids).field(n) for n in (c.USER_ID, c.ITEM_IDS, c.SCORES)])
    return next(streamed(uri, _fetched(uri, text, run_id))).cast(wanted)


def _fetched(uri: SecretStr, text: str, run_id: int) -> Iterator[pa.Table]:
    doing = f"reading the lists of run {run_id}"
    with arrow_session(uri, doing) as session, session.cursor() as cursor:
        cursor.execute(text)
        yield cursor.fetch_arrow_table()


def live_before(uri: SecretStr, as_of: AsOf, most: int) -> list[AsOf]:
    """The newest earlier as-ofs whose lists in the lake are or were live, so many at most."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("audit/live_before"), {"as_of": as_of.instant, "most": most})
        return [AsOf(instant) for (instant,) in cursor.fetchall()]


@dataclass(frozen=True)
class KeptRun:
    """The row of `audit/run`."""

    run_id: int
    as_of: AsOf
    status: str
    orders: Mapping[str, Any] | None
    weighed: Mapping[str, float] | None
    """Weights of objectives; None of a run of an earlier version."""
    ndcg: float | None
    available_items: int | None
    active_users: int | None
    market: Mapping[str, float]


def kept_run(connection: Connection, run_id: int) -> KeptRun:
    """Raises RunNotThereError where there is no such run, or no lists of it."""
    with connection.cursor() as cursor:
        cursor.execute(statement("audit/run"), {"run_id": run_id})
        row = cursor.fetchone()
    if row is None:
        raise RunNotThereError(
            f"there is no run {run_id}; `recsys runs` lists those that there are"
        )
    number, instant, *others = row
    run = KeptRun(number, AsOf(instant), *others)
    if run.status in _WITHOUT_LISTS:
        raise RunNotThereError(
            f"run {run_id} {_WITHOUT_LISTS[run.status]}, so its lists are not there; `recsys runs` "
            "lists those that there are"
        )
    return run


def readable(id_type: IdType) -> IdType:
    """The type that ids are read as: Arrow carries uuids as text."""
    return "text" if id_type == "uuid" else id_type
