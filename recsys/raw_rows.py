"""From values as a source gave them to rows of the raw tables, each usable or with its reason."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.config import Ids, IdType
from recsys.errors import MappingError
from recsys.ids import MOST_BYTES, canonical_ids
from recsys.schemas import TIMESTAMP, Table

#: Columns without which a row says nothing; a null there rejects the row.
_NEEDED: Final = (c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.OCCURRED_AT)

_NUMBER: Final = r"(?i)^\s*[+-]?([0-9]+[.]?[0-9]*(e[+-]?[0-9]+)?|[.][0-9]+|nan|inf|infinity)\s*$"


@dataclass(frozen=True)
class AsRead:
    """A column as the source gave it.

    values: (n,) in any Arrow type the column can be cast from; null where it cannot.
    present: (n,) bool, whether the source held anything there.
    """

    values: pa.Array
    present: pa.Array

    @classmethod
    def native(cls, values: pa.Array) -> "AsRead":
        """A column of a typed source, where only null is absent."""
        return cls(values, values.is_valid())


def raw_batch(
    table: Table,
    ids: Ids,
    read: Mapping[str, AsRead],
    source_row: Callable[[int], Mapping[str, Any]],
    rows: int,
) -> pa.RecordBatch:
    """A batch of a raw table out of what was read.

    read: the mapped columns by lake name; flags that are not mapped are true, others null.
    source_row: gives the i-th row as read, asked only for rows that are rejected.
    """
    schema = table.arrow(ids)
    arrays = {
        field.name: _cast(field, read.get(field.name), ids, rows)
        for field in schema
        if field.name not in (c.REJECT_REASON, c.SOURCE_ROW)
    }
    reasons = _reasons(arrays, read, ids, rows)
    arrays[c.REJECT_REASON] = reasons
    arrays[c.SOURCE_ROW] = _json_rows(reasons, source_row)
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def flatten(value: Any, path: str = "") -> list[str]:
    """`path=value` of every leaf of a nested object, in the object's order.

    >>> flatten({"size": {"width": 3}, "colours": ["red", "blue"]})
    ['size.width=3', 'colours=red', 'colours=blue']
    """
    if isinstance(value, Mapping):
        pairs = ((f"{path}.{key}" if path else str(key), child) for key, child in value.items())
        return [leaf for name, child in pairs for leaf in flatten(child, name)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [leaf for child in value for leaf in flatten(child, path)]
    return [] if value is None else [f"{path}={value}"]


def as_json(row: Mapping[str, Any]) -> str:
    """A row as a line of JSON; what JSON does not have is given as text.

    >>> as_json({"item_id": 7, "value": float("nan")})
    '{"item_id": 7, "value": "nan"}'
    """
    finite = {name: _finite(value) for name, value in row.items()}
    return json.dumps(finite, default=str, ensure_ascii=False)


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _cast(field: pa.Field, column: AsRead | None, ids: Ids, rows: int) -> pa.Array:
    if column is None:
        absent = {pa.bool_(): True, pa.string(): None if field.nullable else ""}
        if pa.types.is_list(field.type):
            return pa.array([[]] * rows, field.type)
        return pa.array([absent.get(field.type)] * rows, field.type)
    if field.name in (c.USER_ID, c.ITEM_ID):
        return canonical_ids(column.values, _id_type(field.name, ids))
    values = _converted(field, column.values)
    return pc.fill_null(values, False) if pa.types.is_boolean(field.type) else values


def _converted(field: pa.Field, values: pa.Array) -> pa.Array:
    if pa.types.is_floating(field.type) and pa.types.is_string(values.type):
        numeric = pc.fill_null(pc.match_substring_regex(values, _NUMBER), False)
        values = pc.if_else(numeric, values, pa.scalar(None, pa.string()))
    try:
        return values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        message = f"{field.name}: the source's {values.type} cannot be read as {field.type}"
        raise MappingError(f"{message}; correct the mapping under [sources]") from None


def _reasons(
    arrays: Mapping[str, pa.Array], read: Mapping[str, AsRead], ids: Ids, rows: int
) -> pa.Array:
    """(rows,) the first thing wrong with each row, null where nothing is."""
    reasons = pa.nulls(rows, pa.string())
    for name, column in read.items():
        values = arrays[name]
        if not (name in _NEEDED or name in (c.VALUE, c.ARRIVED_AT)):
            continue
        malformed = pc.and_(column.present, values.is_null())
        reasons = _first(reasons, malformed, f"{name} is not a {_kind(name, values.type, ids)}")
        if name in _NEEDED or name == c.ARRIVED_AT:
            reasons = _first(reasons, pc.invert(column.present), f"{name} is null")
    return reasons


def _first(reasons: pa.Array, wrong: pa.Array, reason: str) -> pa.Array:
    if not pc.any(wrong).as_py():
        return reasons
    return pc.if_else(pc.and_(wrong, reasons.is_null()), reason, reasons)


def _kind(name: str, kind: pa.DataType, ids: Ids) -> str:
    if name in (c.USER_ID, c.ITEM_ID):
        id_type = _id_type(name, ids)
        return f"text of 1 to {MOST_BYTES:,} bytes" if id_type == "text" else id_type
    return {pa.float64(): "number", TIMESTAMP: "date"}.get(kind, str(kind))


def _id_type(name: str, ids: Ids) -> IdType:
    return ids.user if name == c.USER_ID else ids.item


def _json_rows(reasons: pa.Array, source_row: Callable[[int], Mapping[str, Any]]) -> pa.Array:
    if reasons.null_count == len(reasons):
        return pa.nulls(len(reasons), pa.string())
    rejected = reasons.is_valid().to_pylist()
    rows = (as_json(source_row(i)) if bad else None for i, bad in enumerate(rejected))
    return pa.array(rows, pa.string())
