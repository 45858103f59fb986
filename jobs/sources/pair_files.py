"""Readers of user-supplied CSV or Parquet: pairs of users and items, and their descriptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sources.column_files import (
    csv_columns,
    first_true,
    numbers,
    read_csv,
    reading,
    refuse,
    times,
)
from recsys.dataset.training import Descriptions
from recsys.errors import ImportFileError
from recsys.evaluation.splits import MOST_WEIGHT, Pairs
from recsys.ids import IdIndex, canonical_ids

#: The columns, each with the names it may have.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id"),
    "item": ("item", "item_id"),
    "weight": ("weight", "value"),
    "timestamp": ("timestamp", "created_at"),
}
_TEXT: Final = "text"
_TAGS: Final = "tags"


@dataclass(frozen=True)
class Described:
    """Descriptions of users or items out of a file, and how many it matched."""

    entries: Descriptions
    """In the order of the index; blank where the file says nothing."""
    note: str
    """How many of the users or items it describes; empty without a file."""


def read_columns(path: Path, wanted: Mapping[str, tuple[str, ...]] = NAMES) -> pa.Table:
    """The columns that a file of pairs has, by our names, as text or in the types of Parquet."""
    parquet = path.suffix == ".parquet"
    with reading(path):
        names = pq.read_schema(path).names if parquet else csv_columns(path)
    named = {ours: _column(path, ours, theirs, names) for ours, theirs in wanted.items()}
    found = {ours: name for ours, name in named.items() if name}
    columns = list(found.values())
    with reading(path):
        # As text: inference would turn ids into numbers, long ones even into inexact floats.
        table = (
            pq.read_table(path, columns=columns)
            if parquet
            else read_csv(path, dict.fromkeys(columns, pa.string()))
        )
    return table.select(columns).rename_columns(list(found))


def _column(path: Path, ours: str, theirs: tuple[str, ...], names: list[str]) -> str | None:
    found = [name for name in theirs if name in names]
    if len(found) > 1:
        raise ImportFileError(f"{path}: has the columns {' and '.join(found)}; leave one out")
    if not found and ours in ("user", "item"):
        raise ImportFileError(
            f"{path}: there is no column {' or '.join(theirs)} but {', '.join(names)}; "
            "rename the one that holds it"
        )
    return found[0] if found else None


def read_ids(paths: Sequence[Path], role: str) -> IdIndex:
    """The users or items of several files, numbered in the order of their ids as text."""
    columns = [ids_as_text(path, role, read_columns(path)[role]) for path in paths]
    return IdIndex.build(pa.chunked_array([c for col in columns for c in col.chunks]), "text")


def read_numbered(path: Path, users: IdIndex, items: IdIndex) -> Pairs:
    """The pairs of a file: user, item, and weight and timestamp where it has them.

    Raises ImportFileError with the row for an id, a weight or a time that cannot be used.
    """
    table = read_columns(path)
    weights = np.ones(table.num_rows, np.float32)
    if "weight" in table.column_names:
        weights = _weights(path, table["weight"])
    when = None
    if "timestamp" in table.column_names:
        when = times(path, "timestamp", table["timestamp"]).cast(pa.int64()).to_numpy()
    rows = [
        index.rows(ids_as_text(path, role, table[role])).to_numpy().astype(np.int64)
        for role, index in (("user", users), ("item", items))
    ]
    return Pairs(rows[0], rows[1], weights, when)


def read_descriptions(path: Path | None, role: str, index: IdIndex) -> Described:
    """Read a file's descriptions of users or items, in the order of an index; blank without a file.

    Its columns are the id, `text`, `tags` (a list, or names divided by `|`), and any others, which
    are attributes. Raises ImportFileError where it describes none of them.
    """
    if path is None:
        return Described(Descriptions.blank(len(index)), "")
    table, name = _described(path, role)
    rows = index.rows(ids_as_text(path, name, table[name])).to_pylist()
    blank: Mapping[str, Any] = {}
    found = [blank] * len(index)
    for row, entry in zip(rows, table.drop_columns([name]).to_pylist(), strict=True):
        if row is not None:
            found[row] = entry
    matched = len({row for row in rows if row is not None})
    if not matched:
        first, theirs = index.values[0], table[name][0] if len(table) else "none"
        raise ImportFileError(
            f"{path}: describes none of the {len(index)} {role}s of the pairs, whose first id is "
            f"{first}; here it is {theirs}; give the ids of both files the same form"
        )
    entries = Descriptions(
        [str(entry.get(_TEXT) or "") for entry in found],
        [_labels(entry.get(_TAGS)) for entry in found],
        [_attributes(entry) for entry in found],
    )
    return Described(entries, f"{path.name} describes {matched} of {len(index)} {role}s")


def _described(path: Path, role: str) -> tuple[pa.Table, str]:
    """The table of a file, and its column of ids."""
    parquet = path.suffix == ".parquet"
    with reading(path):
        names = pq.read_schema(path).names if parquet else csv_columns(path)
    name = next((n for n in NAMES[role] if n in names), None)
    if name is None:
        wanted = " or ".join(NAMES[role])
        raise ImportFileError(f"{path}: there is no column {wanted}; rename the one of the ids")
    if not parquet:
        # As text: inference would turn ids into numbers, and long ones into others.
        return read_csv(path, dict.fromkeys(names, pa.string()), nullable=names), name
    with reading(path):
        return pq.read_table(path), name


def ids_as_text(path: Path, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids as text, so that 7 in one file is "7" in another."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (_is_text(kind) or pa.types.is_integer(kind)):
        raise ImportFileError(
            f"{path}: {name} is of type {values.type}; write ids as whole numbers or as text"
        )
    with reading(path):
        text = canonical_ids(values.cast(kind).cast(pa.string()).combine_chunks(), "text")
    if text.null_count:
        row = first_true(pa.chunked_array([text.is_null()]))
        refuse(path, row, f"{name} {values[row].as_py()!r} is no id; fill it or remove the row")
    return pa.chunked_array([text])


def _is_text(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in kinds)


def _weights(path: Path, values: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    weights = numbers(path, "weight", values).to_numpy()
    wrong = np.flatnonzero(~((weights >= 0) & (weights <= MOST_WEIGHT)))
    if len(wrong):
        row = int(wrong[0])
        refuse(
            path,
            row,
            f"weight {values[row].as_py()!r} is no weight, which is from 0 to {MOST_WEIGHT:g}; "
            "leave out rows that say nothing (as -1 for not rated), write dislikes as 0, and "
            f"scale the others ({len(wrong)} rows are like this)",
        )
    return np.asarray(weights, np.float32)


def _labels(value: Any) -> list[str]:
    labels = value.split("|") if isinstance(value, str) else (value or [])
    return [str(label) for label in labels if label]


def _attributes(entry: Mapping[str, Any]) -> list[str]:
    kept = {name: value for name, value in entry.items() if name not in (_TEXT, _TAGS)}
    return [f"{name}={value}" for name, value in kept.items() if value not in (None, "")]
