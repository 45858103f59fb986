"""Figures of a table in few vectorised passes."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.rules import Figures, Rule, Severity
from data_contracts.trailing import Trailing
from recsys import columns as c
from recsys.schemas import Table
from recsys.sections.contracts import Contracts
from recsys.sections.ids import Ids

FEWER_ROWS: Final = "rows, against earlier runs"
MORE_ROWS: Final = "rows, against growth"
REJECTED: Final = "rejected share"
DUPLICATES: Final = "duplicate share"
_MISSING: Final = "missing"
_ROWS_IN_CACHE: Final = 32_768
_PART_BITS: Final = 2
"""Repeated rows are counted in parts, on several cores: two bits make four of them."""


# --- what follows from the schema -----------------------------------------------------------------


def type_rules(table: Table, ids: Ids) -> list[Rule]:
    """Columns and their types: a rule a column."""
    remedy = "rebuild the partition, or correct the mapping under [sources] or the types in [ids]"
    return [
        Rule(f"type of {field.name}", "fail", str(field.type), remedy) for field in table.arrow(ids)
    ]


def types(table: Table, ids: Ids, found: pa.Schema) -> Figures:
    """The type of each column as it is; a list's type regardless of its item's name."""
    figures: dict[str, float | str] = {}
    for wanted in table.arrow(ids):
        place = found.get_field_index(wanted.name)
        kind = found.field(place).type if place >= 0 else None
        same = kind is not None and _unnamed(kind) == _unnamed(wanted.type)
        figures[f"type of {wanted.name}"] = str(
            wanted.type if same else _MISSING if kind is None else kind
        )
    return figures


def type_violations(table: Table, ids: Ids, found: pa.Schema) -> list[str]:
    """Names of the rules about types that do not hold."""
    figures = types(table, ids, found)
    return [rule.name for rule in type_rules(table, ids) if figures[rule.name] != rule.limit]


def _unnamed(kind: pa.DataType) -> str:
    return f"list<{_unnamed(kind.value_type)}>" if pa.types.is_list(kind) else str(kind)


def null_rules(table: Table) -> list[Rule]:
    """Columns that may not be null: a rule a column."""
    remedy = "rebuild the partition; no job writes such a row"
    return [
        Rule(f"nulls in {column.name}", "fail", (None, 0), remedy)
        for column in table.columns
        if not column.nullable
    ]


def nulls(table: Table, rows: pa.Table) -> Figures:
    """Number of nulls in each column that may not hold any."""
    return {
        f"nulls in {column.name}": float(rows[column.name].null_count)
        for column in table.columns
        if not column.nullable
    }


# --- rules that several tables share --------------------------------------------------------------


def size_rules(limits: Contracts, trailing: Trailing) -> list[Rule]:
    """Rows of a table that is read whole, against those of earlier runs."""
    if not trailing.enough:
        return []
    shrunk = (
        "see whether the source lost rows; once it is whole, run the date again, which reads it "
        "again, or lower contracts.min_size"
    )
    grown = "see whether the source repeats rows, or raise contracts.max_size"
    return [
        Rule(FEWER_ROWS, "fail", (trailing.least_rows(limits.min_size), None), shrunk),
        Rule(MORE_ROWS, "warn", (None, trailing.most(limits.max_size)), grown),
    ]


def sizes(rows: int) -> Figures:
    """The number of rows, once for each rule that limits it."""
    return dict.fromkeys((FEWER_ROWS, MORE_ROWS), float(rows))


def rejected_rule(limits: Contracts) -> Rule:
    """Rows that go to quarantine, as a share of all."""
    remedy = "look into reject_reason of the raw partition, or raise contracts.max_rejected"
    return Rule(REJECTED, "fail", (None, limits.max_rejected), remedy)


def duplicate_rule(limits: Contracts, key: str, severity: Severity = "warn") -> Rule:
    """Rows that repeat another one's key."""
    remedy = f"make {key} unique in the source, or raise contracts.max_duplicates"
    return Rule(DUPLICATES, severity, (None, limits.max_duplicates), remedy)


def unknown_rule(column: str, limits: Contracts, severity: Severity = "fail") -> Rule:
    """Rows whose user or item is not in the table of users or items."""
    role, limit = {
        c.USER_ID: ("users", limits.max_unknown_users),
        c.ITEM_ID: ("items", limits.max_unknown_items),
    }[column]
    remedy = f"see whether {role} were read whole, or raise contracts.max_unknown_{role}"
    return Rule(unknown_name(column), severity, (None, limit), remedy)


def unknown_name(column: str) -> str:
    """The name of the rule about ids that the table they refer to does not hold."""
    return f"share of unknown {column}"


# --- passes over columns --------------------------------------------------------------------------


def share(part: int | float | None, whole: int) -> float:
    """A part of a whole; nothing of nothing is 0."""
    return float(part or 0) / whole if whole else 0.0


def true_share(mask: pa.ChunkedArray | pa.Array) -> float:
    """The share of trues; a null counts as false."""
    return share(pc.sum(mask).as_py(), len(mask))


def usable(rows: pa.Table) -> pa.Table:
    """The rows of a raw table that were not rejected."""
    return rows.filter(rows[c.REJECT_REASON].is_null()) if rejected_share(rows) else rows


def rejected_share(rows: pa.Table) -> float:
    """The share of rows with a reason to refuse them."""
    return share(rows.num_rows - rows[c.REJECT_REASON].null_count, rows.num_rows)


def duplicate_share(rows: pa.Table, key: Sequence[str]) -> float:
    """The share of rows that repeat the key of another."""
    hashes = _fingerprints(rows, key)
    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        repeated = sum(threads.map(partial(_repeated, hashes), range(2**_PART_BITS)))
    return share(repeated, rows.num_rows)


def _repeated(hashes: npt.NDArray[np.uint64], part: int) -> int:
    """Number of hashes that repeat another, of those whose first bits are the part's number."""
    found = np.sort(hashes[hashes >> np.uint64(64 - _PART_BITS) == part])
    return int(np.count_nonzero(found[1:] == found[:-1]))


def _fingerprints(rows: pa.Table, key: Sequence[str]) -> npt.NDArray[np.uint64]:
    """(rows,) a 64-bit hash of each key, several times faster to count than the keys themselves.

    The mixing is that of splitmix64 (Steele et al. 2014). Of 4 million distinct keys two are taken
    for equal with a chance below one in a million.
    """
    columns = pa.table([_coded(rows[name]) for name in key], list(key))
    batches = columns.to_batches(max_chunksize=_ROWS_IN_CACHE)
    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        return np.concatenate([np.empty(0, np.uint64), *threads.map(_mixed, batches)])


def _mixed(rows: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    mixed = np.zeros(rows.num_rows, np.uint64)
    for values in rows.columns:
        mixed = (mixed ^ _words(values)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _coded(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Texts as numbers, null among them; other columns as they are."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return column
    return column.combine_chunks().dictionary_encode(null_encoding="encode").indices


def _words(values: pa.Array) -> npt.NDArray[np.uint64]:
    """(rows,) the values as 64-bit words; equal words for equal values, one of its own for null."""
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    else:
        numbers = pc.fill_null(values.cast(pa.int64()), -(2**63)).to_numpy()
    return np.asarray(numbers.view(np.uint64))


def unknown_share(ids: pa.ChunkedArray, known: pa.Array | None) -> float | None:
    """The share of ids that are not among the known; None where nobody says what is known."""
    if known is None or ids.type != known.type:
        return None
    found = pc.sum(pc.is_in(ids, value_set=known)).as_py() or 0
    return share(len(ids) - found, len(ids))


def unknown_shares(rows: pa.Table, known: Iterable[tuple[str, pa.Array | None]]) -> Figures:
    """`unknown_share` of columns that refer to a table, by the name of its rule."""
    return {
        unknown_name(column): found
        for column, ids in known
        if (found := unknown_share(rows[column], ids)) is not None
    }


def flat(lists: pa.ChunkedArray | pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """(rows,) the length of each list, and (entries,) all of their values in order."""
    return lengths(lists), pc.list_flatten(lists).to_numpy()


def lengths(lists: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """(rows,) the length of each list; 0 of a null."""
    found = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return np.asarray(found, np.int64)


def count(mask: pa.ChunkedArray) -> float:
    """The number of trues."""
    return float(pc.sum(mask).as_py() or 0)


def apart(flags: npt.NDArray[np.bool_]) -> float:
    """The number of trues of a numpy mask, as a figure."""
    return float(np.count_nonzero(flags))
