"""Markets out of tables of interactions, as all importers make them."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.sandbox.market import BLOCKS, EVENTS, INTERACTIONS, ITEMS, USERS, Market
from jobs.sources.column_files import first_true, refuse
from jobs.sources.documents import Document
from recsys.as_of import AsOf
from recsys.errors import ImportFileError


def interactions_table(
    users: pa.ChunkedArray,
    items: pa.ChunkedArray,
    kinds: pa.ChunkedArray,
    values: pa.ChunkedArray,
    moments: pa.ChunkedArray,
) -> pa.Table:
    """Interactions that were known the moment they happened."""
    columns = [users, items, kinds, values, moments, moments]
    return pa.table(columns, names=list(INTERACTIONS))


def repeated(value: Any, kind: pa.DataType, rows: int) -> pa.ChunkedArray:
    """(rows,) one value in every row."""
    return pa.chunked_array([pa.repeat(pa.scalar(value, kind), rows)])


def market_of(
    path: Path,
    interactions: pa.Table,
    events: pa.Table | None = None,
    titles: pa.Table | None = None,
    item_profiles: Sequence[Document] = (),
) -> Market:
    """A market of those who acted, and of the items in `titles` (columns item_id, title).

    Without `titles`, of the items acted upon. Raises ImportFileError where nobody acted, or on an
    item that `titles` lacks; `path` is the file that holds the actions.
    """
    if events is None:
        events = interactions.slice(0, 0).rename_columns(list(EVENTS))
    names = ["user_id", "item_id", "at"]
    touches = pa.concat_tables(
        [
            interactions.select(["user_id", "item_id", "created_at"]).rename_columns(names),
            events.select(["user_id", "item_id", "ts"]).rename_columns(names),
        ]
    )
    if not touches.num_rows:
        raise ImportFileError(f"{path}: holds no rows; nothing was imported")
    last = pc.max(touches["at"]).as_py()
    return Market(
        users=_users(touches),
        items=_items(path, touches, titles),
        interactions=interactions,
        blocks=_no_blocks(touches),
        events=events,
        item_profiles=item_profiles,
        user_profiles=(),
        as_of=AsOf.midnight(last.date() + timedelta(days=1)),
    )


def _users(touches: pa.Table) -> pa.Table:
    first = _first_touch(touches, "user_id")
    names = repeated(None, pa.string(), first.num_rows)
    active = repeated(True, pa.bool_(), first.num_rows)
    return pa.table([first["user_id"], names, active, first["at_min"]], names=list(USERS))


def _items(path: Path, touches: pa.Table, titles: pa.Table | None) -> pa.Table:
    first = _first_touch(touches, "item_id")
    if titles is None:
        untitled = repeated(None, pa.string(), first.num_rows)
        titles = first.select(["item_id"]).append_column("title", untitled)
    _check_catalogue(path, touches["item_id"], titles["item_id"])
    known = titles.join(first, "item_id").sort_by("item_id")
    created = pc.fill_null(known["at_min"], pc.min(touches["at"]))
    available = repeated(True, pa.bool_(), known.num_rows)
    return pa.table([known["item_id"], known["title"], available, created], names=list(ITEMS))


def _check_catalogue(path: Path, touched: pa.ChunkedArray, listed: pa.ChunkedArray) -> None:
    counts = listed.value_counts()
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise ImportFileError(
            f"{path.parent}: item {twice[0]} is in the catalogue twice; remove one"
        )
    row = first_true(pc.invert(pc.is_in(touched, listed.combine_chunks())))
    if row >= 0:
        refuse(path, row, f"item {touched[row]} is not in the catalogue; add it or remove the row")


def _first_touch(touches: pa.Table, role: str) -> pa.Table:
    return touches.group_by(role).aggregate([("at", "min")]).sort_by(role)


def _no_blocks(touches: pa.Table) -> pa.Table:
    return touches.slice(0, 0).rename_columns(list(BLOCKS))
