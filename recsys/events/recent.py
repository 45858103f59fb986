"""Events that are kept one by one, for what came of items to be looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
import pyarrow as pa

from recsys import columns as c
from recsys.as_of import AsOf
from recsys.events.histories import BLOCK, Evidence, Weighting, distinct_events
from recsys.events.weights import fixed_weights
from recsys.schemas import RECENT_EVENTS, TIMESTAMP
from recsys.sections.ids import Ids
from recsys.sections.objectives import Objective


@dataclass(frozen=True)
class Keeping:
    """Events that are kept: all of some types, and whatever happened of late."""

    types: frozenset[str]
    since: AsOf

    @classmethod
    def of(cls, objectives: Mapping[str, Objective], holdout_days: int, as_of: AsOf) -> Self:
        """The events that objectives ask about as of an instant.

        What came of items is asked of the holdout and, for rates, of as many days before, with the
        days that an answer takes.
        """
        types = {name for each in objectives.values() for name in each.events}
        waits = [each.wait_days for each in objectives.values()]
        days = 2 * holdout_days + max(waits, default=0)
        return cls(frozenset(types), as_of - timedelta(days=days))


def recent_events(
    evidence: Evidence, first_user: int, keeping: Keeping, weighting: Weighting, ids: Ids
) -> pa.Table:
    """The `recent_events` table of some users, who are numbered from `first_user` on.

    Ordered by user, item, type and time, so that the order of the evidence does not matter.
    """
    names = list(weighting.rules)
    distinct = distinct_events(evidence.of(evidence.kinds != BLOCK))
    since = int(keeping.since.instant.timestamp()) * 1_000_000
    named = np.array([name in keeping.types for name in names])
    kept = distinct.of(named[distinct.kinds] | (distinct.occurred >= since))
    liked = np.zeros(len(kept.users), np.bool_)
    for kind, rule in enumerate(weighting.rules.values()):
        mine = kept.kinds == kind
        # At the age of 0: one that has faded was a like all the same.
        liked[mine] = fixed_weights(kept.values[mine], np.zeros(int(mine.sum())), rule) > 0
    columns = {
        c.USER_ROW: pa.array(kept.users + first_user, pa.int32()),
        c.ITEM_ROW: pa.array(kept.items, pa.int32()),
        c.EVENT_TYPE: pa.array(names, pa.string()).take(pa.array(kept.kinds)),
        c.LIKED: pa.array(liked),
        c.OCCURRED_AT: pa.array(kept.occurred, pa.int64()).cast(TIMESTAMP),
        c.ARRIVED_AT: pa.array(kept.known, pa.int64()).cast(TIMESTAMP),
    }
    return pa.table(columns, schema=RECENT_EVENTS.arrow(ids))
