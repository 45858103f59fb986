"""From values as a source gave them to rows of the raw tables, each usable or with its reason."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.errors import MappingError
from recsys.ids import MOST_BYTES, canonical_ids
from recsys.nested import MOST_LEVELS, TooDeepError, storable
from recsys.schemas import TIMESTAMP, Table
from recsys.sections.ids import Ids, IdType

#: Columns without which a row says nothing; a null there rejects the row.
_NEEDED: Final = (c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.OCCURRED_AT)

_NUMBER: Final = r"(?i)^[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)$"
_YES: Final = pa.array(["true", "t", "yes", "y", "on"])
_NO: Final = pa.array(["false", "f", "no", "n", "off"])


@dataclass(frozen=True)
class AsRead:
    """A column as the source gave it.

    values: (n,) in any Arrow type the column can be cast from; null where it cannot.
    present: (n,) bool, whether the source held anything there.
    faults: (n,) text, why a value cannot be used, where that is known; null elsewhere.
    """

    values: pa.Array
    present: pa.Array
    faults: pa.Array | None = None

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

    read: the mapped columns by lake name; what is not mapped is null, but flags are true.
    A flag that is null in the source or missing is true too: nobody has said otherwise.
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


def joined(rows: Iterable[Sequence[Any]], leaves: Callable[[Sequence[Any]], list[str]]) -> AsRead:
    """A list of texts for each row; where a value nests too deep, an empty one and the fault."""
    lists: list[list[str]] = []
    faults: list[str | None] = []
    for row in rows:
        try:
            lists.append(leaves(row))
            faults.append(None)
        except TooDeepError:
            lists.append([])
            faults.append(f"nests more than {MOST_LEVELS} levels deep")
    values = pa.array(lists, pa.list_(pa.string()))
    return AsRead(values, values.is_valid(), pa.array(faults, pa.string()))


def as_json(row: Mapping[str, Any]) -> str:
    """A row as a line of JSON; what JSON does not have is given as text.

    >>> as_json({"item_id": 7, "value": float("nan")})
    '{"item_id": 7, "value": "nan"}'
    """
    finite = {str(name): _finite(value) for name, value in row.items()}
    try:
        text = json.dumps(finite, default=str, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):  # numbers, keys or depths that JSON has not
        text = json.dumps({name: _said(value) for name, value in finite.items()}, default=str)
    return storable(text)


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _said(value: Any) -> Any:
    """A nested value as text, as much as a person needs to find it."""
    if not isinstance(value, Mapping | list):
        return value
    try:
        return str(value)[:1000]
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that cannot be shown"


def _cast(field: pa.Field, column: AsRead | None, ids: Ids, rows: int) -> pa.Array:
    if column is None:
        absent = {pa.bool_(): True, pa.string(): None if field.nullable else ""}
        if pa.types.is_list(field.type):
            return pa.array([[]] * rows, field.type)
        return pa.array([absent.get(field.type)] * rows, field.type)
    if field.name in (c.USER_ID, c.ITEM_ID):
        return canonical_ids(column.values, _id_type(field.name, ids))
    if pa.types.is_boolean(field.type):
        return pc.fill_null(_flags(column.values), pc.invert(column.present))
    return _numbers(column.values) if field.name == c.VALUE else _converted(field, column.values)


def _converted(field: pa.Field, values: pa.Array) -> pa.Array:
    try:
        return values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        message = f"{field.name}: the source's {values.type} cannot be read as {field.type}"
        raise MappingError(f"{message}; correct the mapping under [sources]") from None


def _numbers(values: pa.Array) -> pa.Array:
    """The float64 nearest to each number; null for a text that is none."""
    if not pa.types.is_string(values.type):
        return values.cast(pa.float64(), safe=False)
    text = pc.utf8_trim_whitespace(values)
    numeric = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
    text = pc.if_else(numeric, text, pa.scalar(None, pa.string()))
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:  # beyond a float, or with a plus sign
        return pa.array([None if v is None else float(v) for v in text.to_pylist()], pa.float64())


def _flags(values: pa.Array) -> pa.Array:
    """Truth of booleans, of the words that Postgres takes for them, and of 1 and 0 as numbers."""
    if pa.types.is_boolean(values.type):
        return values
    text = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
    number = _numbers(text)
    yes = pc.or_(pc.is_in(text, _YES), pc.fill_null(pc.equal(number, 1.0), False))
    no = pc.or_(pc.is_in(text, _NO), pc.fill_null(pc.equal(number, 0.0), False))
    return pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_()))


def _reasons(
    arrays: Mapping[str, pa.Array], read: Mapping[str, AsRead], ids: Ids, rows: int
) -> pa.Array:
    """(rows,) the first thing wrong with each row, null where nothing is."""
    reasons = pa.nulls(rows, pa.string())
    for name, column in read.items():
        if column.faults is not None:
            faults = pc.binary_join_element_wise(name, column.faults, " ")
            reasons = pc.coalesce(reasons, faults)
        if name in (c.ACTIVE, c.AVAILABLE):
            unread = _flags(column.values).is_null()
        elif name in _NEEDED or name in (c.VALUE, c.ARRIVED_AT):
            unread = arrays[name].is_null()
        else:
            continue
        kind = _kind(name, arrays[name].type, ids)
        reasons = _first(reasons, pc.and_(column.present, unread), f"{name} is not a {kind}")
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
    return {pa.float64(): "number", TIMESTAMP: "date", pa.bool_(): "flag"}.get(kind, str(kind))


def _id_type(name: str, ids: Ids) -> IdType:
    return ids.user if name == c.USER_ID else ids.item


def _json_rows(reasons: pa.Array, source_row: Callable[[int], Mapping[str, Any]]) -> pa.Array:
    if reasons.null_count == len(reasons):
        return pa.nulls(len(reasons), pa.string())
    rejected = reasons.is_valid().to_pylist()
    rows = (as_json(source_row(i)) if bad else None for i, bad in enumerate(rejected))
    return pa.array(rows, pa.string())
