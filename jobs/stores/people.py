"""What happened between two people of a market, out of what was read of the sources."""

from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.run.entrypoint import RunArguments
from recsys import columns as c
from recsys.events.judging import judged, known_before
from recsys.schemas import EVENT_SOURCES, RAW, RAW_BLOCKS

_EITHER = "ended: a block, a pass or a match of either, which the lake does not hold any more"


def ends_of(arguments: RunArguments, user: Any, other: Any) -> Iterator[str]:
    """Why neither is shown to the other, where something has ended the pair: blocks first.

    It reads the raw tables, because histories say only that something has.
    """
    lake, config, as_of = arguments.lake, arguments.config, arguments.as_of
    forth, back = _pair(user, other), _pair(other, user)
    if "blocks" in config.sources.configured():
        blocks = lake.as_of(RAW_BLOCKS.name, as_of)
        if blocks.exists():
            rows = blocks.dataset(RAW_BLOCKS, config.ids)
            if rows.count_rows(filter=forth):
                yield "blocked: the user does not want to see them"
            if rows.count_rows(filter=back):
                yield "blocked by them: they do not want to see the user"
    found = _types(arguments, forth), _types(arguments, back)
    passed, passed_by = (kinds & {*config.people.passes} for kinds in found)
    if passed:
        yield "passed: the user has passed them by"
    if passed_by:
        yield "passed by them: they have passed the user by"
    if (found[0] | found[1]) & {*config.people.matches}:
        yield "matched: the two are matched"
    yield _EITHER


def _pair(user: Any, other: Any) -> ds.Expression:
    wanted = (pc.field(c.USER_ID) == user) & (pc.field(c.ITEM_ID) == other)
    return wanted & pc.field(c.REJECT_REASON).is_null()


def _types(arguments: RunArguments, wanted: ds.Expression) -> set[str]:
    """Types of the usable events of a pair."""
    config, lake, kinds = arguments.config, arguments.lake, set[str]()
    for name in (n for n in config.sources.configured() if n in EVENT_SOURCES):
        place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
        window = config.window.before(arguments.as_of)
        for read in (w for w in lake.windows(place) if w.overlaps(window)):
            rows = lake.window(place, read).dataset(RAW[name], config.ids)
            known = known_before(rows.to_table(filter=wanted), window)
            good = judged(known, config.event_rules(), arguments.as_of)
            good = good.filter(good[c.REJECT_REASON].is_null())
            kinds.update(good[c.EVENT_TYPE].to_pylist())
    return kinds
