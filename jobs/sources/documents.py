"""Raw rows out of documents, by the types of BSON that `jobs.sources.source_types` lists."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from bson import Decimal128, ObjectId

from jobs.sources.source_types import kind_of
from recsys import columns as c
from recsys.events.raw_rows import AsRead, joined, raw_batch
from recsys.nested import flatten, texts
from recsys.schemas import TIMESTAMP, Table
from recsys.sections.ids import Ids
from recsys.sections.sources import Source

Document = dict[str, Any]

_UNKNOWN_ORDER: Final = "is binary, and the order of a uuid's bytes in it is not known"
_NOT_UTF8: Final = "is not UTF-8"
_NOT_EXACT: Final = "is a floating-point number beyond 2^53, of which digits are lost"
_EXACT: Final = 2.0**53
"""Larger whole numbers share a float."""
_NUMBERS: Final = (int, float, Decimal128)
_REPLACED: Final = "\ufffd"
"""Stands in a text for bytes that are no UTF-8."""


def raw_rows(
    documents: Sequence[Document], source: Source, table: Table, ids: Ids
) -> pa.RecordBatch:
    """The raw rows of documents."""
    read = {}
    for column, names in source.fields().items():
        values = [[value_at(document, name) for document in documents] for name in names]
        convert = _JOINED.get(column)
        read[column] = convert(values) if convert else _READ[kind_of(column, ids)](values[0])
    return raw_batch(table, ids, read, lambda i: documents[i], len(documents))


def value_at(document: Any, path: str) -> Any:
    """The value at a dotted path; None where the path leads nowhere."""
    for step in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(step)
    return document


def _ids(values: list[Any]) -> AsRead:
    faults = [_fault_of_id(value) for value in values]
    pairs = zip(values, faults, strict=True)
    found = [_text(value) if fault is None else None for value, fault in pairs]
    return AsRead(pa.array(found, pa.string()), _present(values), pa.array(faults, pa.string()))


def _fault_of_id(value: Any) -> str | None:
    """Reason why a value cannot be read as the id that its writer meant; None where it can."""
    if isinstance(value, bytes):
        return _UNKNOWN_ORDER
    if isinstance(value, float) and abs(value) >= _EXACT:
        return _NOT_EXACT
    return _NOT_UTF8 if isinstance(value, str) and _REPLACED in value else None


def _names(values: list[Any]) -> AsRead:
    found = [_text(v) if isinstance(v, (*_NUMBERS, str)) else None for v in values]
    return AsRead(pa.array(found, pa.string()), _present(values))


def _words(values: list[Any]) -> AsRead:
    read = _joined_text([values])
    return AsRead(pc.if_else(_present(values), read.values, None), read.present, read.faults)


def _text(value: Any) -> str | None:
    """The text of a scalar; None for what has none. Clients write whole numbers as floats too."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, bool) or not isinstance(value, (*_NUMBERS, Decimal, str, ObjectId, UUID)):
        return None
    if isinstance(value, float) and abs(value) >= _EXACT:
        return None
    if isinstance(value, float | Decimal):
        whole = math.isfinite(value) and value == int(value)
        return (f"{value:.0f}" if value else "0") if whole else None
    return str(value)


def _dates(values: list[Any]) -> AsRead:
    dates = [value if isinstance(value, datetime) else None for value in values]
    return AsRead(pa.array(dates, TIMESTAMP), _present(values))


def _numbers(values: list[Any]) -> AsRead:
    return AsRead(pa.array([_number(value) for value in values], pa.string()), _present(values))


def _number(value: Any) -> str | None:
    """A number as text, the form in which Postgres gives those of any size."""
    if isinstance(value, bool):
        return None
    return str(value) if isinstance(value, (*_NUMBERS, str)) else None


def _flags(values: list[Any]) -> AsRead:
    found = [str(value) if isinstance(value, bool) else _number(value) for value in values]
    return AsRead(pa.array(found, pa.string()), _present(values))


def _present(values: list[Any]) -> pa.Array:
    return pa.array([value is not None for value in values], pa.bool_())


def _joined_text(columns: list[list[Any]]) -> AsRead:
    read = joined(zip(*columns, strict=True), lambda row: [t for v in row for t in texts(v)])
    lines = pa.array(["\n".join(parts) for parts in read.values.to_pylist()], pa.string())
    return AsRead(lines, read.present, read.faults)


def _joined_tags(columns: list[list[Any]]) -> AsRead:
    return joined(zip(*columns, strict=True), lambda row: [t for v in row for t in texts(v)])


def _joined_attributes(columns: list[list[Any]]) -> AsRead:
    return joined(zip(*columns, strict=True), lambda row: [t for v in row for t in flatten(v)])


_JOINED: Final[Mapping[str, Callable[[list[list[Any]]], AsRead]]] = {
    c.TEXT: _joined_text,
    c.TAGS: _joined_tags,
    c.ATTRIBUTES: _joined_attributes,
}
_READ: Final[Mapping[str, Callable[[list[Any]], AsRead]]] = {
    "bigint": _ids,
    "uuid": _ids,
    "text": _ids,
    "name": _names,
    "instant": _dates,
    "number": _numbers,
    "flag": _flags,
    "words": _words,
}
