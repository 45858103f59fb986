"""Items of a run with titles, labels and exposure, as analysts read them beside the lists."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.partitions import Lake
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.evaluation.diff import EXPOSURE, LISTED
from recsys.schemas import ITEMS, RAW_ITEM_PROFILES

_LONGEST_ID: Final = 2_000
"""Bytes. A longer text fits no key of Postgres."""
_NUL: Final = "\x00"
_IN_PLACE_OF_NUL: Final = "\ufffd"


def run_items(lake: Lake, as_of: AsOf, config: Config, shown: pa.Table) -> pa.Table:
    """Every item that a run knows: columns item_id (as text), title, available, tags, attributes,
    lists and exposure; labels are null where there is no profile, and of people.

    shown: columns item_id, lists and exposure of the items that lists hold.
    """
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, config.ids)
    place = pc.index_in(items[c.ITEM_ID], value_set=shown[c.ITEM_ID].combine_chunks())
    made = pa.table(
        {
            c.ITEM_ID: items[c.ITEM_ID].cast(pa.string()),
            c.TITLE: _without_nul(items[c.TITLE]),
            c.AVAILABLE: items[c.AVAILABLE],
            **_labels(lake, as_of, config, items[c.ITEM_ID]),
            **{name: pc.fill_null(shown[name].take(place), 0) for name in (LISTED, EXPOSURE)},
        }
    )
    return made.filter(pc.less_equal(pc.binary_length(made[c.ITEM_ID]), _LONGEST_ID))


def _labels(
    lake: Lake, as_of: AsOf, config: Config, items: pa.ChunkedArray
) -> dict[str, pa.ChunkedArray]:
    """Tags and attributes of each item by the first of its profiles."""
    names = (c.TAGS, c.ATTRIBUTES)
    if "item_profiles" not in config.sources.configured() or config.of_people:
        return {name: pa.nulls(len(items), pa.list_(pa.string())) for name in names}
    partition = lake.as_of(RAW_ITEM_PROFILES.name, as_of)
    read = partition.dataset(RAW_ITEM_PROFILES, config.ids).to_table(
        [c.ITEM_ID, c.TEXT, *names], filter=pc.field(c.REJECT_REASON).is_null()
    )
    profiles = read.sort_by([(c.ITEM_ID, "ascending"), (c.TEXT, "ascending")])
    place = pc.index_in(items, value_set=profiles[c.ITEM_ID].combine_chunks())
    return {
        name: _labels_without_nul(profiles[name].combine_chunks()).take(place) for name in names
    }


def _without_nul(texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Texts that Postgres takes."""
    return pc.replace_substring(texts, _NUL, _IN_PLACE_OF_NUL)


def _labels_without_nul(labels: pa.ListArray) -> pa.ListArray:
    return pa.ListArray.from_arrays(labels.offsets, _without_nul(labels.values))
