"""A run's lists, read back from Postgres to be compared with others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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
from recsys.schemas import LISTS
from recsys.sections.ids import Ids, IdType

_WITHOUT_LISTS: Final = {
    "staged": "was never completed",
    "retired": "is older than the runs that are kept",
}


@dataclass(frozen=True)
class KeptRun:
    """A run whose lists are in Postgres, live or not."""

    run_id: int
    as_of: AsOf
    methods: Mapping[str, str]
    """How the lists of each band of users were ordered."""
    ndcg: float | None = None
    """What its audit knew of the days that were held back."""
    audited_against: int | None = None
    """The run that its audit compared it with."""
    violations: Sequence[str] = ()
    """What that audit found."""


def kept_run(uri: SecretStr, run_id: int) -> KeptRun:
    """Raises RunNotThereError where there is no such run, or no lists of it."""
    with connect(uri) as connection:
        return _kept(connection, run_id)


def read_lists(uri: SecretStr, run_id: int, ids: Ids, depth: int) -> pa.Table:
    """The first `depth` places of a run's lists: user_id, item_ids and scores, in no order.

    Raises RunNotThereError where the lists are not there.
    """
    with connect(uri) as connection:
        run = _kept(connection, run_id)
        query = sql.SQL(statement("audit/lists")).format(
            user_type=sql.SQL(_readable(ids.user)),
            item_type=sql.SQL(_readable(ids.item)),
            depth=sql.Literal(depth),
            run_id=sql.Literal(run.run_id),
        )
        text = query.as_string(connection)
    wanted = pa.schema([LISTS.arrow(ids).field(n) for n in (c.USER_ID, c.ITEM_IDS, c.SCORES)])
    return next(streamed(uri, _fetched(uri, text, run_id))).cast(wanted)


def _fetched(uri: SecretStr, text: str, run_id: int) -> Iterator[pa.Table]:
    doing = f"reading the lists of run {run_id}"
    with arrow_session(uri, doing) as session, session.cursor() as cursor:
        cursor.execute(text)
        yield cursor.fetch_arrow_table()


def _kept(connection: Connection, run_id: int) -> KeptRun:
    with connection.cursor() as cursor:
        cursor.execute(statement("audit/run"), {"run_id": run_id})
        row = cursor.fetchone()
    if row is None:
        raise RunNotThereError(
            f"there is no run {run_id}; `recsys runs` lists those that there are"
        )
    found, as_of, status, orders, ndcg, against, violations = row
    if status in _WITHOUT_LISTS:
        raise RunNotThereError(
            f"run {run_id} {_WITHOUT_LISTS[status]}, so its lists are not there; `recsys runs` "
            "lists those that there are"
        )
    methods = {band: order["method"] for band, order in (orders or {}).items()}
    return KeptRun(int(found), AsOf(as_of), methods, ndcg, against, violations or ())


def _readable(id_type: IdType) -> IdType:
    """Arrow carries uuids as text."""
    return "text" if id_type == "uuid" else id_type
