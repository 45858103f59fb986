"""Why an item is, or is not, on a user's list: from what a run kept, and from its artifacts."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.partitions import Partition
from jobs.listing import Listing
from jobs.run.entrypoint import RunArguments
from jobs.sinks.postgres.reasons import AskedRun, KeptReason, hidden_items
from jobs.stores.models import CHOICE, TrainingData, model_partition, read_policy
from jobs.stores.people import ends_of
from jobs.stores.tunings import with_night_tuning
from jobs.tasks.lists import excluded_of
from recsys import columns as c
from recsys.dataset.matrices import list_arrays
from recsys.errors import MissingPartitionError
from recsys.ids import IdIndex, UserId, lasting_keys
from recsys.lists.contract import Recipients
from recsys.lists.explaining import Explainer, Explanation, Stage, Voice
from recsys.schemas import HISTORIES, ITEMS, LISTS

OWN: Final = 3
"""Own items that are named by generator."""
_SINCE: Final = ("removed since", "blocked since")
"""Verdicts on what has happened after the run."""
_UNKNOWN_USER: Final = "unknown user: no event, block or profile was known by then"
_UNKNOWN_ITEM: Final = "unknown item: not in the catalogue, and nobody had touched it by then"
_CHANGED: Final = "the configuration has changed since the run"
_KEPT: Final = "the list was kept from an earlier night, and its figures are those of that night"


@dataclass(frozen=True)
class Pair:
    """A user and an item, by their ids in the sources."""

    user: UserId
    item: Any


@dataclass(frozen=True)
class Behind:
    """An item of the user's own behind a generator's score."""

    item_id: str
    title: str
    part: float
    """What it adds to the score."""


@dataclass(frozen=True)
class Said:
    """What one generator says of the pair; see `recsys.lists.explaining.Voice`."""

    generator: str
    score: float
    standardised: float | None
    rank: int | None
    explained: float | None
    because: Sequence[Behind]


@dataclass(frozen=True)
class Answer:
    """Everything that is known of a pair in a run."""

    verdict: str
    """`listed`, or the stage that dropped the item and the rule."""
    kept: KeptReason
    """What was kept with the list."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of the item and of the own one that was kept, by id."""
    score: float | None = None
    """That the order goes by; None where the item was no candidate."""
    said: Sequence[Said] = ()
    stages: Sequence[Stage] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    chances: Mapping[str, float] = field(default_factory=dict)
    """What the chance of a like and each objective add to the score."""
    remarks: Sequence[str] = ()


class ExplainedRun:
    """A run whose artifacts are in the lake; they are read once for all pairs."""

    def __init__(self, arguments: RunArguments, run: AskedRun) -> None:
        """Raises MissingPartitionError where some of them are not there any more."""
        self._changed = arguments.config.fingerprint() != run.config_hash
        self._arguments = with_night_tuning(arguments)
        _require_artifacts(self._arguments)
        if not read_policy(arguments.lake, arguments.as_of).objectives:
            # The run is older than the objectives, and nothing was kept for them.
            plain = self._arguments.config.model_copy(update={"objectives": {}})
            self._arguments = replace(self._arguments, config=plain)
        self._known = TrainingData(self._arguments)

    def answer(self, pair: Pair, kept: KeptReason) -> Answer:
        """Explain a pair. kept: what the run kept of it."""
        if kept.verdict == "forgotten":
            return Answer("forgotten: nothing is kept of the user", kept)
        known, remarks = self._known, [_CHANGED] if self._changed else []
        user, item = self._row(known.histories, pair.user), self._row(known.items, pair.item)
        asked = {str(pair.item), kept.because or ""}
        if user < 0 or item < 0:
            nowhere = _UNKNOWN_USER if user < 0 else _UNKNOWN_ITEM
            return Answer(nowhere, kept, self._titles(pair, asked), remarks=remarks)
        history = known.histories.slice(user, 1).combine_chunks().to_batches()[0]
        keys, excluded = lasting_keys(history[c.USER_ID]), excluded_of(history)
        found = self.explainer.explain(Recipients(np.array([user]), keys, excluded), item, OWN)
        rule = next(self._rules(history, user, item, pair), None) or found.dropped
        verdict = kept.verdict
        if verdict not in (*_SINCE, "listed"):
            verdict = rule or verdict
        if not self._as_published(pair, found, rule):
            remarks.append(_KEPT)
        names = self._names(found.voices)
        titles = self._titles(pair, asked | set(names.values()))
        said = [_said(voice, names, titles) for voice in found.voices]
        titles = {name: title for name, title in titles.items() if name in asked}
        return Answer(
            verdict,
            kept,
            titles,
            found.score,
            said,
            found.stages,
            found.features,
            found.chances,
            remarks,
        )

    def _rules(self, history: pa.RecordBatch, user: int, item: int, pair: Pair) -> Iterator[str]:
        """Why the user must not get the item, whatever the ranking says."""
        people = self._known.people
        if people is None:
            yield from _rules(self._known, history, item)
            return
        if people.persons[item] == user:
            yield "yourself: nobody is shown to themselves"
        if item in list_arrays(history[c.BLOCKED_ROWS])[1]:
            yield from ends_of(self._arguments, pair.user, pair.item)
        yield from _rules(self._known, history, item)
        one, other = np.array([user]), people.persons[[item]]
        for whose, unmet in (
            ("the user's", people.unmet(one, other)),
            ("their", people.unmet(other, one)),
        ):
            broken = (name for name, lines in unmet.items() if lines[0])
            yield from (f"wish: {whose} wish {name} is not met" for name in broken)

    @cached_property
    def explainer(self) -> Explainer:
        """What made the run's lists."""
        policy = read_policy(self._arguments.lake, self._arguments.as_of)
        listing = Listing(self._arguments, self._known, policy)
        depth = self._arguments.config.lists.depth
        return Explainer(listing.models, listing.ranker, listing.chain, depth)

    def _row(self, table: pa.Table, wanted: Any) -> int:
        name = c.USER_ID if c.USER_ID in table.column_names else c.ITEM_ID
        ids = table[name].combine_chunks()
        return int(IdIndex(ids).places(pa.array([wanted], ids.type))[0])

    def _names(self, voices: Sequence[Voice]) -> dict[int, str]:
        """Ids of the own items by row."""
        rows = sorted({own.item for voice in voices for own in voice.own})
        ids = self._known.items[c.ITEM_ID].take(pa.array(rows, pa.int64())).to_pylist()
        return dict(zip(rows, map(str, ids), strict=True))

    def _titles(self, pair: Pair, ids: Set[str]) -> dict[str, str]:
        """Titles by id, empty where there is none; without items that were removed since, or that
        the user has blocked."""
        uri = self._arguments.settings.require_postgres()
        shown = sorted(ids - hidden_items(uri, str(pair.user), ids))
        items = self._known.items
        wanted = pc.is_in(items[c.ITEM_ID].cast(pa.string()), pa.array(shown, pa.string()))
        there = items.filter(wanted)
        pairs = zip(there[c.ITEM_ID].to_pylist(), there[c.TITLE].to_pylist(), strict=True)
        return {str(item): title or "" for item, title in pairs}

    def _as_published(self, pair: Pair, found: Explanation, rule: str | None) -> bool:
        """Whether the list holds the item where the ranking puts it now."""
        lists = self._arguments.lake.as_of(LISTS.name, self._arguments.as_of)
        wanted = pc.field(c.USER_ID) == pa.scalar(pair.user)
        scan = lists.dataset(LISTS, self._arguments.config.ids).scanner([c.ITEM_IDS], filter=wanted)
        listed = [row for batch in scan.to_batches() for row in batch[c.ITEM_IDS].to_pylist()]
        items = listed[0] if listed else []
        place = items.index(pair.item) + 1 if pair.item in items else None
        last = found.stages[-1] if found.stages and rule is None else None
        return bool(place == (last.place if last else None))


def _said(voice: Voice, names: Mapping[int, str], titles: Mapping[str, str]) -> Said:
    """A voice with ids and titles. titles: of the own items that may be shown."""
    shown = [(names[own.item], own.part) for own in voice.own if names[own.item] in titles]
    return Said(
        voice.generator,
        voice.score,
        voice.standardised,
        voice.rank,
        voice.explained,
        [Behind(name, titles[name], part) for name, part in shown],
    )


def _rules(known: TrainingData, history: pa.RecordBatch, item: int) -> Iterator[str]:
    """Why the user must not get the item, whatever the ranking says."""
    if not history[c.ACTIVE][0].as_py():
        yield "inactive: no list is made for the user"
    if item in list_arrays(history[c.ITEM_ROWS])[1]:
        yield "seen: the user had touched the item by then"
    if item in list_arrays(history[c.BLOCKED_ROWS])[1]:
        yield "blocked: the user does not want the item"
    if not known.items[c.AVAILABLE][item].as_py():
        yield "unavailable: the item could not be recommended"


def _require_artifacts(arguments: RunArguments) -> None:
    """Raises MissingPartitionError for what of an as-of is not in the lake any more."""
    lake, as_of = arguments.lake, arguments.as_of
    tables = [lake.as_of(name, as_of) for name in (HISTORIES.name, ITEMS.name, LISTS.name)]
    tables += [model_partition(lake, CHOICE, as_of)]
    if tables[-1].exists():
        names = read_policy(lake, as_of).generators
        tables += [model_partition(lake, name, as_of) for name in names]
    if gone := [_named(table) for table in tables if not table.exists()]:
        raise MissingPartitionError(
            f"the lake has no {', '.join(gone)} as of {as_of} any more, so there is nothing more "
            "than what was kept with the lists (recs.why); `recsys backfill --from "
            f"{as_of.instant:%F} --to {as_of.instant:%F}` makes it again"
        )


def _named(partition: Partition) -> str:
    return partition.label.split(" as of ")[0]
