"""Interactions, and descriptions of users and items, out of files that anybody has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from jobs.sandbox.importers.pairs import NAMES, read_columns
from jobs.sandbox.importers.tables import numbers, reading, times
from recsys.errors import ImportFileError
from recsys.evaluation.splits import Pairs
from recsys.ids import IdIndex
from recsys.interactions.training import Descriptions

_TEXT: Final = "text"
_TAGS: Final = "tags"


def read_ids(paths: Sequence[Path], role: str) -> IdIndex:
    """The users or items of several files, numbered in the order of their ids as text."""
    columns = [read_columns(path)[role] for path in paths]
    return IdIndex.build(pa.chunked_array([c for col in columns for c in col.chunks]), "text")


def read_numbered(path: Path, users: IdIndex, items: IdIndex) -> Pairs:
    """The pairs of a file: user, item, and weight and timestamp where it has them."""
    table = read_columns(path)
    weights = np.ones(table.num_rows, np.float32)
    if "weight" in table.column_names:
        weights = numbers(path, "weight", table["weight"]).to_numpy().astype(np.float32)
    when = None
    if "timestamp" in table.column_names:
        when = times(path, "timestamp", table["timestamp"]).cast(pa.int64()).to_numpy()
    rows = [
        index.rows(table[role]).to_numpy().astype(np.int64)
        for role, index in (("user", users), ("item", items))
    ]
    return Pairs(rows[0], rows[1], weights, when)


def read_descriptions(path: Path | None, role: str, index: IdIndex) -> Descriptions:
    """What a file says of users or items, in the order of an index; blank without a file.

    Its columns are the id, `text`, `tags` (a list, or names divided by `|`), and any others, which
    are attributes.
    """
    if path is None:
        return Descriptions.blank(len(index))
    with reading(path):
        table = pq.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    name = next((n for n in NAMES[role] if n in table.column_names), None)
    if name is None:
        wanted = " or ".join(NAMES[role])
        raise ImportFileError(f"{path}: there is no column {wanted}; rename the one of the ids")
    rows = pc.index_in(table[name].cast(pa.string()), value_set=index.values).to_pylist()
    blank: Mapping[str, Any] = {}
    found = [blank] * len(index)
    for row, entry in zip(rows, table.drop_columns([name]).to_pylist(), strict=True):
        if row is not None:
            found[row] = entry
    return Descriptions(
        [str(entry.get(_TEXT) or "") for entry in found],
        [_labels(entry.get(_TAGS)) for entry in found],
        [_attributes(entry) for entry in found],
    )


def _labels(value: Any) -> list[str]:
    labels = value.split("|") if isinstance(value, str) else (value or [])
    return [str(label) for label in labels if label]


def _attributes(entry: Mapping[str, Any]) -> list[str]:
    kept = {name: value for name, value in entry.items() if name not in (_TEXT, _TAGS)}
    return [f"{name}={value}" for name, value in kept.items() if value is not None]
