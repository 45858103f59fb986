"""Any table of users and items, as CSV or Parquet."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from jobs.sandbox.importers.tables import interactions_table, market_of, repeated
from jobs.sandbox.market import Market
from jobs.sources.column_files import first_true, numbers, reading, refuse, times
from jobs.sources.pair_files import read_columns
from recsys.ids import canonical_ids
from recsys.schemas import TIMESTAMP
from recsys.sections.ids import Ids, IdType


def read_pairs(path: Path, ids: Ids, at: datetime) -> Market:
    """Every row as an interaction `pair` whose value is the weight, or 1.

    Reads .parquet, else CSV (gzipped or not) with a header; `pair_files.NAMES` has the columns, and
    others are ignored. A timestamp is ISO 8601 or Unix seconds, UTC unless it says otherwise;
    without one, everything happens on `at`. Raises ImportFileError for what cannot be read.
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
        else repeated(at, TIMESTAMP, rows),
    )
    return market_of(path, interactions)


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
