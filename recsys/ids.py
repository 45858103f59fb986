"""External ids: their canonical form, and the only way to row numbers and back."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys.schemas import arrow_id_type
from recsys.sections.ids import IdType

UserId = int | str

_INTEGER = r"^[+-]?[0-9]{1,30}$"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
MOST_BYTES = 1_000
"""Of a text id in UTF-8: two of them must fit into a row of an index of Postgres, 2,704 bytes."""
_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1


def canonical_ids(values: pa.Array, id_type: IdType) -> pa.Array:
    """Ids in the lake's form; null where a value is null or is no id of the type.

    values: (n,) ints or strings as the source gave them. A uuid comes back in lower case with
    hyphens, a bigint as int64, a text as it is (without NUL, which Postgres cannot hold, and of at
    most `MOST_BYTES`).
    """
    if id_type == "bigint":
        return _bigints(values)
    text = values.cast(pa.string())
    if id_type == "uuid":
        text = pc.utf8_lower(pc.utf8_trim_whitespace(text))
        return _where(pc.match_substring_regex(text, _UUID), text)
    usable = pc.and_(pc.invert(pc.match_substring(text, "\x00")), pc.not_equal(text, ""))
    short = pc.less_equal(pc.binary_length(text), MOST_BYTES)
    return _where(pc.and_(usable, short), text)


def _bigints(values: pa.Array) -> pa.Array:
    if pa.types.is_integer(values.type):
        return values.cast(pa.int64())
    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    wide = _where(pc.match_substring_regex(text, _INTEGER), text).cast(pa.decimal128(38, 0))
    low = pa.scalar(_BIGINT_MIN).cast(pa.decimal128(38, 0))
    high = pa.scalar(_BIGINT_MAX).cast(pa.decimal128(38, 0))
    inside = pc.and_(pc.greater_equal(wide, low), pc.less_equal(wide, high))
    return _where(inside, wide).cast(pa.int64())


def ids_named(value: Any, id_type: IdType) -> set[Any]:
    """Every id that a value may mean that is not written as an id of the type must be.

    For finding a person in rows that were refused because of it: better one row too many.

    >>> ids_named([" 42 "], "bigint")
    {42}
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return {found for each in value for found in ids_named(each, id_type)}
    if value is None or isinstance(value, bool):
        return set()
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    if id_type == "text":
        return {text, text.strip()}
    if id_type == "uuid":
        digits = re.findall(r"[0-9a-f]{32}", text.lower().replace("-", ""))
        return {str(UUID(found)) for found in digits}
    return {int(found) for found in re.findall(r"[+-]?[0-9]{1,19}(?![0-9])", text)}


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, False), values, pa.scalar(None, values.type))


def lasting_keys(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """(n,) a number for each id that depends on nothing but the id, unlike its row number.

    A bigint is its own number; of a text it is 64 bits of BLAKE2b.
    """
    values = _combined(ids)
    if pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy().astype(np.int64).view(np.uint64))
    digests = (
        hashlib.blake2b(text.encode(), digest_size=8).digest() for text in values.to_pylist()
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


@dataclass(frozen=True)
class IdIndex:
    """Ids in ascending order; an id's row number is its place.

    The index of a day is a function of that day's ids alone, so a day can be rebuilt by itself.
    """

    values: pa.Array
    """(n,) distinct ids, ascending."""

    @classmethod
    def build(cls, ids: pa.Array | pa.ChunkedArray, id_type: IdType) -> Self:
        """The index of the distinct non-null values of `ids`."""
        distinct = pc.drop_null(pc.unique(_combined(ids).cast(arrow_id_type(id_type))))
        return cls(distinct.take(pc.array_sort_indices(distinct)))

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, ids: pa.Array | pa.ChunkedArray) -> pa.Array:
        """(m,) int32 row number of each id; null for an id the index does not hold."""
        return pc.index_in(_combined(ids), value_set=self.values)

    def places(self, ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """(m,) row number of each id; -1 for an id the index does not hold."""
        return np.asarray(self.rows(ids).fill_null(-1).to_numpy(), np.int64)

    def ids(self, rows: npt.NDArray[np.integer]) -> pa.Array:
        """(m,) the id of each row number."""
        return self.values.take(pa.array(rows))


def _combined(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
