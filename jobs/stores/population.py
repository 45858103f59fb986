"""Numbers of users and items that a run's lists could reach."""

import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.facts import ItemsFacts
from jobs.lake.partitions import Lake
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.bands import band_names
from recsys.evaluation.diff import GROUP
from recsys.schemas import HISTORIES, ITEMS, LISTS, RAW_USERS


def available_items(lake: Lake, as_of: AsOf) -> int:
    """Items that the run of an as-of could recommend."""
    return ItemsFacts.of(lake.as_of(ITEMS.name, as_of)).available


def active_users(lake: Lake, as_of: AsOf, config: Config) -> int:
    """Active members at an as-of; without a source of members, everybody with a list."""
    if config.sources.users is None:
        return lake.as_of(LISTS.name, as_of).manifest().rows
    members = lake.as_of(RAW_USERS.name, as_of).read(RAW_USERS, config.ids)
    active = members.filter(pc.fill_null(members[c.ACTIVE], False))[c.USER_ID]
    return int(pc.count_distinct(active, mode="only_valid").as_py())


def activity(lake: Lake, as_of: AsOf, config: Config) -> pa.Table:
    """The band of each user as of an instant: columns user_id and group."""
    read = lake.as_of(HISTORIES.name, as_of).read(HISTORIES, config.ids)
    bands = band_names(pc.list_value_length(read[c.ITEM_ROWS]).to_numpy())
    return pa.table({c.USER_ID: read[c.USER_ID], GROUP: bands})
