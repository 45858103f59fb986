"""What followed published lists: entries that users turned to, and people who found each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.arrays import Ints, Mask
from recsys.dataset.matrices import list_arrays
from recsys.evaluation.run_metrics import RunMetric
from recsys.ids import IdIndex
from recsys.matching.pools import People

OF_HISTORIES: Final = (c.USER_ROW, c.ITEM_ROWS, c.WEIGHTS, c.AGES)
"""Columns of `histories` that are looked at."""
OF_LISTS: Final = (c.USER_ID, c.ITEM_IDS)
"""Columns of `lists` that are looked at."""
_ROW: Final = 0xFFFF_FFFF
_AT_ONCE: Final = 1 << 21
"""Entries that are looked up together."""
_DECILES: Final = 10
_NONE: Final = np.empty(0, np.int64)


@dataclass(frozen=True)
class Realised:
    """Counts of what followed the first places of a run's lists."""

    lists: int
    """Lists that hold something."""
    entries: int
    yeses: int
    """Entries that the user turned to after the run."""
    users: int
    """Users with one of these."""
    matches: int | None = None
    """Pairs of people of whom one turned to the other by such an entry, and the other to that one
    at any time; None where users and items are no people."""
    matched: int | None = None
    """People with a list who are in one of these pairs."""
    replies: "Sequence[Replies]" = ()
    """Of people by how often they were listed: of the tenth that was listed least first."""

    def metrics(self, label: str) -> list[RunMetric]:
        """Figures of the run that counted. label: says whose lists they were."""
        counts = {name: count for name, count in vars(self).items() if isinstance(count, int)}
        found = [
            RunMetric(f"realised_{name}", float(count), label=label)
            for name, count in counts.items()
        ]
        return found + [
            RunMetric(f"exposed_{name}", float(count), f"exposure decile {decile}", label)
            for decile, replies in enumerate(self.replies, 1)
            for name, count in replies._asdict().items()
        ]


class Replies(NamedTuple):
    """Counts of people who were listed about equally often."""

    people: int
    listed: int
    """Entries that showed them."""
    asked: int
    """Yeses that came by such an entry, and were not answers to their own."""
    answered: int
    """Of these, those that they answered since."""


@dataclass(frozen=True)
class Listed:
    """A run's lists: how much they hold, and which entries became yeses."""

    users: pa.ChunkedArray
    """Ids of the users whose lists hold something."""
    entries: int
    yeses: Ints
    """(y,) ascending pairs: user row << 32 | item row."""
    shown: Ints
    """(items,) entries that hold each."""

    def realised(self) -> Realised:
        """Counts of lists of items."""
        users = len(np.unique(self.yeses >> 32))
        return Realised(len(self.users), self.entries, len(self.yeses), users)


@dataclass(frozen=True)
class Yeses:
    """What users turned to in the days before an as-of, and had not touched before."""

    users: IdIndex
    """All users of the as-of, in order of rows."""
    items: IdIndex
    """All items, in order of rows."""
    pairs: Ints
    """(n,) ascending: user row << 32 | item row."""
    ages: npt.NDArray[np.float32]
    """(n,) days from the first event of each to the as-of."""

    @classmethod
    def of(
        cls, histories: Iterable[pa.RecordBatch], users: IdIndex, items: IdIndex, days: float
    ) -> Self:
        """Those of so many days. histories: `OF_HISTORIES` of the as-of, in parts."""
        found = [_Liked(_NONE, np.empty(0, np.float32))]
        found += [liked.since(days) for liked in _liked(histories)]
        pairs, ages = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(pairs, kind="stable")
        return cls(users, items, pairs[order], ages[order])

    def among(self, lists: Iterable[pa.RecordBatch], days: float, depth: int) -> Listed:
        """Those among the first `depth` places of lists that were made so many days ago.

        lists: `OF_LISTS` of that as-of, in parts.
        """
        pairs = _Liked(self.pairs, self.ages).since(days).pairs
        # Only the entries of users who have turned to anything lately are looked up.
        rows, columns = np.unique(pairs >> 32), np.unique(pairs & _ROW)
        users, items = IdIndex(self.users.ids(rows)), IdIndex(self.items.ids(columns))
        listed, entries, found = [pa.array([], self.users.values.type)], 0, [_NONE]
        shown = np.zeros(len(self.items), np.int64)
        for part in _first_places(lists, depth):
            ids, first = part[c.USER_ID], part[c.ITEM_IDS]
            lengths = pc.list_value_length(first)
            listed.append(ids.filter(pc.greater(lengths, 0)))
            entries += pc.sum(lengths).as_py() or 0
            counted = first.flatten().value_counts()
            known = self.items.places(counted.field("values"))
            shown[known[known >= 0]] += counted.field("counts").to_numpy()[known >= 0]
            places = users.places(ids)
            own = first.filter(pa.array(places >= 0))
            owners = np.repeat(rows[places[places >= 0]], np.diff(list_arrays(own)[0]))
            there = items.places(own.flatten())
            entry = owners[there >= 0] << 32 | columns[there[there >= 0]]
            found.append(entry[_held(entry, pairs)])
        return Listed(pa.chunked_array(listed), entries, np.unique(np.concatenate(found)), shown)

    def realised_by_people(
        self, runs: Sequence[Listed], histories: Iterable[pa.RecordBatch]
    ) -> list[Realised]:
        """Counts of runs' lists of people. histories: as for `of`, once more."""
        people = People.of(self.items.places(self.users.values), len(self.items))
        backs = [_back(listed.yeses, people) for listed in runs]
        answers = _among_liked(np.unique(np.concatenate([_NONE, *backs])), histories)
        return [
            self._matched(listed, back, answers) for listed, back in zip(runs, backs, strict=True)
        ]

    def _matched(self, listed: Listed, back: Ints, answers: "_Liked") -> Realised:
        """back: (y,) the pairs the other way. answers: those of whom the user has turned to the
        item."""
        both = _held(back, answers.pairs)
        one, other = listed.yeses[both] >> 32, back[both] >> 32
        pairs = np.unique(np.minimum(one, other) << 32 | np.maximum(one, other))
        people = self.users.ids(np.unique(np.concatenate([one, other])))
        matched = pc.is_in(people, value_set=listed.users.combine_chunks()).true_count
        return replace(
            listed.realised(),
            matches=len(pairs),
            matched=matched,
            replies=self._replies(listed, back, answers),
        )

    def _replies(self, listed: Listed, back: Ints, answers: "_Liked") -> list[Replies]:
        """By tenths of the people who were listed, the more often, the later; see `_matched`."""
        own, theirs = _Liked(self.pairs, self.ages).of(listed.yeses), answers.of(back)
        asked = ~(theirs >= own)
        answered = asked & ~np.isnan(theirs)
        order = np.argsort(listed.shown, kind="stable")
        order = order[listed.shown[order] > 0]
        item = listed.yeses & _ROW

        def count(people: Ints) -> Replies:
            among = np.isin(item, people)
            return Replies(
                people=len(people),
                listed=int(listed.shown[people].sum()),
                asked=int((asked & among).sum()),
                answered=int((answered & among).sum()),
            )

        return [count(people) for people in np.array_split(order, _DECILES)]


class _Liked(NamedTuple):
    """Pairs of which the user has turned to the item."""

    pairs: Ints
    """(n,) ascending: user row << 32 | item row."""
    ages: npt.NDArray[np.float32]
    """(n,) days from the first event of each to the as-of."""

    def since(self, days: float) -> "_Liked":
        """Those whose first event is at most so many days ago."""
        new = self.ages <= np.float32(days)
        return _Liked(self.pairs[new], self.ages[new])

    def of(self, pairs: Ints) -> npt.NDArray[np.float32]:
        """(n,) ages of some pairs (n,), NaN of those that are not among these."""
        found = np.full(len(pairs), np.nan, np.float32)
        held = _held(pairs, self.pairs)
        found[held] = self.ages[np.searchsorted(self.pairs, pairs[held])]
        return found


def _liked(histories: Iterable[pa.RecordBatch]) -> Iterator[_Liked]:
    """One a part."""
    for batch in histories:
        offsets, items = list_arrays(batch[c.ITEM_ROWS])
        weights, ages = (
            list_arrays(batch[name])[1].astype(np.float32) for name in (c.WEIGHTS, c.AGES)
        )
        users = np.repeat(batch[c.USER_ROW].to_numpy().astype(np.int64), np.diff(offsets))
        liked = weights > 0
        yield _Liked((users << 32 | items.astype(np.int64))[liked], ages[liked])


def _first_places(lists: Iterable[pa.RecordBatch], depth: int) -> Iterator[pa.RecordBatch]:
    """The first places of each list, of so many lists at once that few tables of ids are hashed."""
    parts: list[pa.RecordBatch] = []
    for batch in lists:
        first = pc.list_slice(batch[c.ITEM_IDS], 0, depth, return_fixed_size_list=False)
        parts.append(pa.record_batch([batch[c.USER_ID], first], list(OF_LISTS)))
        if sum(part.num_rows for part in parts) * depth >= _AT_ONCE:
            yield pa.concat_batches(parts)
            parts = []
    if parts:
        yield pa.concat_batches(parts)


def _back(pairs: Ints, people: People) -> Ints:
    """(n,) for each pair of people the pair the other way; -1 where one of them is not known."""
    own, other = people.items[pairs >> 32], people.users[pairs & _ROW]
    return np.where((own >= 0) & (other >= 0), other << 32 | own, -1)


def _among_liked(pairs: Ints, histories: Iterable[pa.RecordBatch]) -> "_Liked":
    """Those of some ascending pairs of which the user has turned to the item."""
    found = [_Liked(_NONE, np.empty(0, np.float32))]
    for liked in _liked(histories):
        if len(liked.pairs):
            first, last = np.searchsorted(pairs, liked.pairs[[0, -1]])
            asked = pairs[first : last + 1]
            asked = asked[_held(asked, liked.pairs)]
            found.append(_Liked(asked, liked.of(asked)))
    known, ages = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(known, kind="stable")
    return _Liked(known[order], ages[order])


def _held(values: Ints, ascending: Ints) -> Mask:
    """(n,) which of the values (n,) are among others."""
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[places] == values)
