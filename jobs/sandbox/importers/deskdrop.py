"""CI&T Deskdrop: what employees did with the articles of their internal news platform."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from jobs.sandbox.importers.tables import interactions_table, market_of, repeated
from jobs.sandbox.market import EVENTS, Market
from jobs.sources.column_files import first_true, read_csv, refuse, times

_KINDS: Final[Mapping[str, str]] = {
    "VIEW": "view",
    "LIKE": "like",
    "BOOKMARK": "bookmark",
    "COMMENT CREATED": "comment",
    "FOLLOW": "follow",
}
_TYPES: Final = {
    "timestamp": pa.int64(),
    "eventType": pa.string(),
    "contentId": pa.int64(),
    "personId": pa.int64(),
}


def read_deskdrop(path: Path) -> Market:
    """Views as events; likes, bookmarks, comments and follows as interactions.

    Reads users_interactions.csv, gzipped or not; ids are bigint, and the articles have no titles.
    Raises ImportFileError where it is missing or malformed.
    """
    table = read_csv(path, _TYPES)
    kinds = _kinds(path, table["eventType"])
    values = repeated(None, pa.float64(), table.num_rows)
    moments = times(path, "timestamp", table["timestamp"])
    actions = interactions_table(table["personId"], table["contentId"], kinds, values, moments)
    viewed = pc.equal(kinds, "view")
    events = actions.filter(viewed).rename_columns(list(EVENTS))
    return market_of(path, actions.filter(pc.invert(viewed)), events)


def _kinds(path: Path, types: pa.ChunkedArray) -> pa.ChunkedArray:
    places = pc.index_in(types, value_set=pa.array(list(_KINDS)))
    if places.null_count:
        row = first_true(places.is_null())
        known = ", ".join(_KINDS)
        refuse(path, row, f"eventType {types[row].as_py()!r} is none of {known}; correct the row")
    return pa.chunked_array([pa.array(list(_KINDS.values())).take(places.combine_chunks())])
