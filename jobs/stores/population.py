"""Numbers of users and items that a run's lists could reach."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.facts import ItemsFacts
from jobs.lake.partitions import Lake
from recsys import columns as c
from recsys.arrays import Ints
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.bands import BANDS, UNSEEN, band_names, bands_of
from recsys.evaluation.diff import GROUP
from recsys.lists.fallback import EVERYBODY
from recsys.schemas import (
    FALLBACK,
    HISTORIES,
    ITEMS,
    LISTS,
    RAW_USER_PROFILES,
    RAW_USERS,
)

OTHER: Final = "other"
"""Users without a segment, or of one that has no list. Segments are named `path=value`."""
_TOUCHED: Final = "touched"


def available_items(lake: Lake, as_of: AsOf) -> int:
    """Items that the run of an as-of could recommend."""
    return ItemsFacts.of(lake.as_of(ITEMS.name, as_of)).available


def active_users(lake: Lake, as_of: AsOf, config: Config) -> int:
    """Active members at an as-of; without a source of members, everybody with a list."""
    if "users" not in config.sources.configured():
        return lake.as_of(LISTS.name, as_of).manifest().rows
    members = lake.as_of(RAW_USERS.name, as_of).read(RAW_USERS, config.ids)
    active = members.filter(pc.fill_null(members[c.ACTIVE], False))[c.USER_ID]
    return int(pc.count_distinct(active, mode="only_valid").as_py())


def population(
    lake: Lake, as_of: AsOf, config: Config, lists: pa.Table, members: int
) -> list[dict[str, Any]]:
    """Users by segment and band: active ones by what lookups answer them with, and inactive ones.

    lists: columns user_id and item_ids. members: active members, of whom some may have neither
    events nor a profile.
    """
    known = lake.as_of(HISTORIES.name, as_of).dataset(HISTORIES, config.ids)
    columns = {name: pc.field(name) for name in (c.USER_ID, c.ACTIVE)}
    read = known.to_table(columns | {_TOUCHED: pc.list_value_length(pc.field(c.ITEM_ROWS))})
    users = read[c.USER_ID].combine_chunks()
    names = _segments_with_a_list(lake, as_of, config)
    segment = _segments(lake, as_of, config, users, names)
    band = bands_of(read[_TOUCHED].to_numpy())
    own = pc.index_in(users, value_set=lists[c.USER_ID].combine_chunks())
    length = pc.fill_null(pc.list_value_length(lists[c.ITEM_IDS]).take(own), -1).to_numpy()
    active = read[c.ACTIVE].to_numpy()
    kinds = {
        "users": active,
        "listed": active & (length > 0),
        "empty": active & (length == 0),
        "fallback": active & (length < 0),
        "inactive": ~active,
    }
    cells, size = segment * len(BANDS) + band, len(names) * len(BANDS)
    counts = {kind: np.bincount(cells[mask], minlength=size) for kind, mask in kinds.items()}
    # Of them nothing is known but that they are members.
    strangers = max(0, members - int(active.sum()))
    other = names.index(OTHER) * len(BANDS) + BANDS.index(UNSEEN)
    for kind in ("users", "fallback"):
        counts[kind][other] += strangers
    rows = (
        {"segment": names[cell // len(BANDS)], "band": BANDS[cell % len(BANDS)]}
        | {kind: int(found[cell]) for kind, found in counts.items()}
        for cell in range(size)
    )
    return [row for row in rows if row["users"] or row["inactive"]]


def _segments_with_a_list(lake: Lake, as_of: AsOf, config: Config) -> list[str]:
    fallback = lake.as_of(FALLBACK.name, as_of).read(FALLBACK, config.ids)
    return [OTHER, *(name for name in fallback[c.SEGMENT].to_pylist() if name != EVERYBODY)]


def _segments(
    lake: Lake, as_of: AsOf, config: Config, users: pa.Array, names: Sequence[str]
) -> Ints:
    """(users,) place of each user's segment in `names`; 0 without one that is there."""
    found = np.zeros(len(users), np.int64)
    path = config.segments.attribute
    if path is None or "user_profiles" not in config.sources.configured():
        return found
    profiles = (
        lake.as_of(RAW_USER_PROFILES.name, as_of)
        .dataset(RAW_USER_PROFILES, config.ids)
        .to_table([c.USER_ID, c.TEXT, c.ATTRIBUTES], filter=pc.field(c.REJECT_REASON).is_null())
        .sort_by([(c.USER_ID, "ascending"), (c.TEXT, "ascending")])
    )
    leaves, lines = (f(profiles[c.ATTRIBUTES]) for f in (pc.list_flatten, pc.list_parent_indices))
    at_path = pc.starts_with(leaves, f"{path}=")
    leaves, lines = leaves.filter(at_path), lines.filter(at_path)
    rows = pc.index_in(profiles[c.USER_ID].take(lines), value_set=users)
    places = pc.fill_null(pc.index_in(leaves, value_set=pa.array(names)), 0)
    known = rows.is_valid()
    # The first leaf counts, so it is written last.
    found[rows.filter(known).to_numpy()[::-1]] = places.filter(known).to_numpy()[::-1]
    return found


def activity(lake: Lake, as_of: AsOf, config: Config) -> pa.Table:
    """The band of each user as of an instant: columns user_id and group."""
    read = lake.as_of(HISTORIES.name, as_of).read(HISTORIES, config.ids)
    bands = band_names(pc.list_value_length(read[c.ITEM_ROWS]).to_numpy())
    return pa.table({c.USER_ID: read[c.USER_ID], GROUP: bands})
