"""Earlier nights in the lake that a night can build on."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.facts import MadeFacts, ReadFacts
from jobs.lake.partitions import Lake, Partition
from jobs.run.entrypoint import RunArguments
from jobs.stores.models import (
    CHOICE,
    MODELS,
    TrainingData,
    histories,
    model_partition,
    read_policy,
)
from recsys import columns as c
from recsys.arrays import Ints
from recsys.as_of import AsOf
from recsys.dataset.changes import IndexAlignment, changed
from recsys.errors import MissingPartitionError
from recsys.ids import IdIndex
from recsys.lists.chain import facts_name, market_steps
from recsys.nights import Night, decide
from recsys.ranking.policy import Standing
from recsys.schemas import EVENT_SOURCES, HISTORIES, ITEMS, LISTS, RAW


def decided(arguments: RunArguments) -> Night:
    """Decide what the night of an as-of takes over; see `recsys.nights.decide`."""
    config, as_of = arguments.config, arguments.as_of
    fingerprint, every = config.lists_fingerprint(), config.nights.full_every
    if arguments.full or every == 1:
        return Night(fingerprint=fingerprint)
    made = [*config.generators.used(), *map(facts_name, market_steps(config.lists.steps))]
    found = complete(arguments.lake, made, as_of - timedelta(days=every), as_of)
    return decide(as_of, every, fingerprint, found)


def complete(
    lake: Lake, models: Collection[str], after: AsOf, before: AsOf
) -> Mapping[AsOf, Night]:
    """The nights of some dates of which everything is there, and was made in the same night.

    models: names of all that is kept with the models of an as-of, but for the choice.
    """
    found = {}
    for at in (at for at in lake.instants(LISTS.name) if after < at < before):
        tables = [lake.as_of(name, at) for name in (HISTORIES.name, ITEMS.name)]
        made = [model_partition(lake, name, at) for name in (*models, CHOICE)]
        made.append(lake.as_of(LISTS.name, at))
        if not all(partition.exists() for partition in tables + made):
            continue
        nights = [MadeFacts.of(partition).night for partition in made]
        if nights[0] and all(night == nights[0] for night in nights):
            found[at] = nights[0]
    return found


def recorded(partition: Partition) -> Night:
    """The night that a partition was made in.

    Raises MissingPartitionError for one that an older version made, which did not record it.
    """
    night = MadeFacts.of(partition).night
    if night is None:
        raise MissingPartitionError(
            f"{partition.label} was made by an older version; run train_generators and "
            "choose_ranking again"
        )
    return night


def standing_choice(arguments: RunArguments, fingerprint: str) -> Standing | None:
    """The choice that tonight's has to beat; None where nothing but the configuration stands.

    A date that is made again is compared with what it was compared with before. Else it is the
    latest earlier choice under this fingerprint, or with `full` none: backfilled dates run in any
    order, so none may depend on another.
    """
    lake, as_of = arguments.lake, arguments.as_of
    own = _night_of_choice(lake, as_of)
    if own is not None and own.fingerprint == fingerprint and own.base is None:
        return read_policy(lake, as_of).standing
    if arguments.full:
        return None
    for at in reversed([other for other in lake.instants(f"{MODELS}/{CHOICE}") if other < as_of]):
        night = _night_of_choice(lake, at)
        if night is not None and night.fingerprint == fingerprint:
            return read_policy(lake, at).stands(at)
    return None


def _night_of_choice(lake: Lake, at: AsOf) -> Night | None:
    """The night of a choice; None where there is none, or one that an older version made."""
    partition = model_partition(lake, CHOICE, at)
    return MadeFacts.of(partition).night if partition.exists() else None


def alignment_since(arguments: RunArguments, known: TrainingData, earlier: AsOf) -> IndexAlignment:
    """Alignment of users and items with an earlier date, and the users who changed since."""
    lake, ids = arguments.lake, arguments.config.ids
    before = histories(lake, earlier, ids)
    users = _index(before[c.USER_ID]).places(known.histories[c.USER_ID])
    items = earlier_items(arguments, known, earlier)
    days_between = (arguments.as_of - earlier) / timedelta(days=1)
    others = changed(known.histories, before, users, items, days_between)
    acted = pc.is_in(known.histories[c.USER_ID], value_set=_acted_since(arguments, earlier))
    return IndexAlignment(users, items, others | acted.to_numpy())


def earlier_items(arguments: RunArguments, known: TrainingData, earlier: AsOf) -> Ints:
    """(items,) the row that each item had at an earlier as-of; -1 of one that had none."""
    then = arguments.lake.as_of(ITEMS.name, earlier).read(ITEMS, arguments.config.ids)
    return _index(then[c.ITEM_ID]).places(known.items[c.ITEM_ID])


def _index(ids: pa.ChunkedArray) -> IdIndex:
    return IdIndex(ids.combine_chunks())


def _acted_since(arguments: RunArguments, earlier: AsOf) -> pa.Array:
    """Distinct ids of the users of events that an earlier night could not know.

    Those are the events that arrived since, those that had arrived but lay in the future then, and
    those of windows in which some came late: which ones they are nobody noted.
    """
    config = arguments.config
    since, end = (pa.scalar(at.instant) for at in (earlier, arguments.as_of))
    occurred = pc.field(c.OCCURRED_AT)
    arrived = pc.coalesce(pc.field(c.ARRIVED_AT), occurred)
    known = (arrived < end) & (occurred < end)
    news = known & ((arrived >= since) | (occurred >= since))
    found = [pa.array([], RAW[EVENT_SOURCES[0]].arrow(config.ids).field(c.USER_ID).type)]
    for name in config.sources.configured():
        if name not in EVENT_SOURCES:
            continue
        for partition, late in _event_windows(arguments, name, earlier):
            wanted = known if late else news
            scan = partition.dataset(RAW[name], config.ids).scanner([c.USER_ID], filter=wanted)
            found += [pc.unique(batch[c.USER_ID]) for batch in scan.to_batches()]
    return pc.drop_null(pc.unique(pa.chunked_array(found)))


def _event_windows(
    arguments: RunArguments, name: str, earlier: AsOf
) -> Iterator[tuple[Partition, bool]]:
    """The windows of events that a night knows, and whether events came late into one that an
    earlier night had read."""
    config, lake = arguments.config, arguments.lake
    place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
    settled = earlier.instant - timedelta(hours=config.window.settle_hours)
    for window in lake.windows(place):
        if window.start < arguments.as_of.instant:
            partition = lake.window(place, window)
            late = settled < window.end and ReadFacts.of(partition).late > 0
            yield partition, late


def unavailable_since(arguments: RunArguments, known: TrainingData, earlier: AsOf) -> pa.Array:
    """Ids of the items that could be recommended at an earlier as-of and cannot any more."""
    then = arguments.lake.as_of(ITEMS.name, earlier).read(ITEMS, arguments.config.ids)
    now = known.items.filter(known.items[c.AVAILABLE])[c.ITEM_ID].combine_chunks()
    offered = then.filter(then[c.AVAILABLE])[c.ITEM_ID].combine_chunks()
    return offered.filter(pc.invert(pc.is_in(offered, value_set=now)))
