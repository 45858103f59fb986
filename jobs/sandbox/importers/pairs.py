"""Any table of users and items, as CSV or Parquet."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sandbox.importers.tables import (
    csv_columns,
    first_true,
    interactions_table,
    market_of,
    numbers,
    read_csv,
    reading,
    refuse,
    repeated,
    times,
)
from jobs.sandbox.market import Market
from recsys.config import Ids, IdType
from recsys.errors import ImportFileError
from recsys.ids import canonical_ids
from recsys.schemas import TIMESTAMP
from recsys.window import midnight

#: The columns, each with the names it may have.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id"),
    "item": ("item", "item_id"),
    "weight": ("weight", "value"),
    "timestamp": ("timestamp", "created_at"),
}


def read_pairs(path: Path, ids: Ids, day: date) -> Market:
    """Every row as an interaction `pair` whose value is the weight, or 1.

    Reads .parquet, else CSV (gzipped or not) with a header; see NAMES for the columns, others are
    ignored. A timestamp is ISO 8601 or Unix seconds, UTC unless it says otherwise; without one,
    everything happens on `day`. Raises ImportFileError for a file or row that cannot be read.
    """
    table = read_columns(path)
    rows = table.num_rows
    interactions = interactions_table(
        _ids(path, "user", table["user"], ids.user),
        _ids(path, "item", table["item"], ids.item),
        repeated("pair", pa.string(), rows),
        numbers(path, "weight", table["weight"])
        if "weight" in table.column_names
        else repeated(1.0, pa.float64(), rows),
        times(path, "timestamp", table["timestamp"])
        if "timestamp" in table.column_names
        else repeated(midnight(day), TIMESTAMP, rows),
    )
    return market_of(path, interactions)


def read_columns(path: Path) -> pa.Table:
    """The columns that a file of pairs has, by our names, as text or in the types of Parquet."""
    parquet = path.suffix == ".parquet"
    with reading(path):
        names = pq.read_schema(path).names if parquet else csv_columns(path)
    found = {ours: name for ours in NAMES if (name := _column(path, ours, names))}
    theirs = list(found.values())
    with reading(path):
        # As text: inference would turn ids into numbers, long ones even into inexact floats.
        table = (
            pq.read_table(path, columns=theirs)
            if parquet
            else read_csv(path, dict.fromkeys(theirs, pa.string()))
        )
    return table.select(theirs).rename_columns(list(found))


def _column(path: Path, ours: str, names: list[str]) -> str | None:
    found = [name for name in NAMES[ours] if name in names]
    if len(found) > 1:
        raise ImportFileError(f"{path}: has the columns {' and '.join(found)}; leave one out")
    if not found and ours in ("user", "item"):
        raise ImportFileError(
            f"{path}: there is no column {' or '.join(NAMES[ours])} but {', '.join(names)}; "
            "rename the one that holds it"
        )
    return found[0] if found else None


def _ids(path: Path, role: str, values: pa.ChunkedArray, kind: IdType) -> pa.ChunkedArray:
    with reading(path):
        result = pa.chunked_array([canonical_ids(values.combine_chunks(), kind)])
    if result.null_count:
        row = first_true(result.is_null())
        refuse(
            path,
            row,
            f"{role} {values[row].as_py()!r} is not a {kind}; correct the row or set the type "
            f"of the ids with {role} under [ids] in recsys.toml",
        )
    return result
