"""Changes for users when one run's lists take the place of another's.

Lists are Arrow tables with the columns user_id, item_ids (best first, each item once) and scores.
Only their first `depth` places count. A user has a list where it is not empty.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.arrays import Floats, Ints, Mask
from recsys.evaluation.concentration import exposures, gini
from recsys.ids import IdIndex
from recsys.sections.base import READ_PLACES

PERSISTENCE: Final = 0.9
UNKNOWN: Final = "unknown"
"""Group of users of whom nobody says which they are in."""
GROUP: Final = "group"
LISTED: Final = "lists"
EXPOSURE: Final = "exposure"
_ENOUGH_LISTS: Final = 30
"""Below this many lists the spread of scores says nothing."""


@dataclass(frozen=True)
class Change:
    """Change of some users' lists. Shares are None where there is nobody to take one of."""

    users_before: int
    users_after: int
    users_lost: int
    """Had a list, have none."""
    users_new: int
    users_kept: float | None
    """Share of those who had a list that still have one."""
    overlap: float | None
    """Mean over users with both lists: shared items / places of the longer list."""
    rbo: float | None
    """The same for rank-biased overlap."""
    churn: float | None
    """The same for the share of places that hold another item than before."""

    def as_dict(self) -> dict[str, int | float | None]:
        """The figures by name, ready for JSON: rounded, and None where one is not finite."""
        return {name: _plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Comparison(Change):
    """A run's lists against those of the run before it, and as they are."""

    depth: int
    """Places of a list that count."""
    coverage: float | None
    """Share of the available items that stand in at least one list."""
    gini: float | None
    """Gini coefficient of the exposure of the available items."""
    empty_share: float | None
    """Share of the rows whose list is empty."""
    short_share: float | None
    """Share of the rows whose list has fewer than `depth` items, empty ones among them."""
    fallback_share: float | None
    """Share of the active users without a row: lookups answer with the popular list."""
    score_drift: float | None
    """Difference of the mean best scores in standard deviations before (Glass's delta); None below
    30 lists a side or where all best scores before were equal."""


@dataclass(frozen=True)
class Mover:
    """An item whose share of all exposure changed."""

    item_id: Any
    before: float
    after: float

    @property
    def gain(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class _Lists:
    """One run's lists as row numbers, cut at the depth; p places of u users."""

    rows: int
    """Lists, empty ones among them."""
    lengths: Ints
    """(u,) places of each user's list; 0 where the user has none."""
    users: Ints
    """(p,) row number of the user; ascending ranks of one user stand together."""
    items: Ints
    """(p,) row number of the item."""
    ranks: Ints
    """(p,) from 1."""
    best_scores: Floats
    """(lists that are not empty,) score of the first place, in order of users."""


@dataclass(frozen=True)
class Difference:
    """Two runs' lists, user by user."""

    users: IdIndex
    items: IdIndex
    before: _Lists
    after: _Lists
    depth: int
    persistence: float

    @classmethod
    def between(
        cls,
        before: pa.Table | None,
        after: pa.Table,
        *,
        depth: int = READ_PLACES,
        persistence: float = PERSISTENCE,
    ) -> Self:
        """Numbers users and items of both and cuts the lists at `depth` places."""
        earlier = after.schema.empty_table() if before is None else before
        pair = [_cut(table, depth) for table in (earlier, after)]
        users = _index([table[c.USER_ID] for table in pair])
        items = _index([_flat(table[c.ITEM_IDS]) for table in pair])
        first, second = (_numbered(table, users, items) for table in pair)
        return cls(users, items, first, second, depth, persistence)

    def comparison(self, available_items: int | None, active_users: int | None) -> Comparison:
        """The figures over all users.

        available_items: None where it is not known: the items in either run's lists. active_users:
        None where it is not known: the users with a row.
        """
        after, n = self.after, len(self.items)
        shown = exposures(after.items, after.ranks, n)
        listed = int(np.count_nonzero(shown))
        available = n if available_items is None else max(available_items, listed)
        active = after.rows if active_users is None else active_users
        short = after.rows - int(np.count_nonzero(after.lengths == self.depth))
        empty = after.rows - int(np.count_nonzero(after.lengths))
        return Comparison(
            **asdict(self.change()),
            depth=self.depth,
            coverage=_share(listed, available),
            gini=gini(shown[shown > 0], available),
            empty_share=_share(empty, after.rows),
            short_share=_share(short, after.rows),
            fallback_share=_share(max(0, active - after.rows), active),
            score_drift=_drift(self.before.best_scores, after.best_scores),
        )

    def change(self, chosen: Mask | None = None) -> Change:
        """The change for all users, or for the chosen ones: (u,) in order of `users`."""
        everybody = np.ones(len(self.users), bool) if chosen is None else chosen
        had, has = self.before.lengths > 0, self.after.lengths > 0
        both = everybody & had & has
        before, kept = int((everybody & had).sum()), int(both.sum())
        after = int((everybody & has).sum())
        return Change(
            users_before=before,
            users_after=after,
            users_lost=before - kept,
            users_new=after - kept,
            users_kept=_share(kept, before),
            overlap=_mean(self._per_user.overlap[both]),
            rbo=_mean(self._per_user.rbo[both]),
            churn=_mean(self._per_user.churn[both]),
        )

    def by_group(self, groups: pa.Table) -> Mapping[str, Change]:
        """The change for the users of each group, in order of the groups' names.

        groups: columns user_id (each once) and group; users it lacks are `unknown`.
        """
        found = pc.index_in(self.users.values, value_set=_combined(groups[c.USER_ID]))
        names = _combined(groups[GROUP]).take(found)
        names = pc.fill_null(names, UNKNOWN).to_numpy(zero_copy_only=False)
        return {str(name): self.change(names == name) for name in np.unique(names.astype(str))}

    def by_length(self) -> pa.Table:
        """The group of each user by the new list's length: columns user_id and group."""
        lengths = self.after.lengths
        groups = np.where(lengths < self.depth, "short list", "full list")
        groups = np.where(lengths == 0, "no list", groups)
        return pa.table({c.USER_ID: self.users.values, GROUP: pa.array(groups)})

    def movers(self, n: int) -> tuple[tuple[Mover, ...], tuple[Mover, ...]]:
        """The n items that gain the most exposure and the n that lose the most, greatest first."""
        before, after = (self._exposure_shares(lists) for lists in (self.before, self.after))
        gains = after - before
        rising = np.argsort(-gains, kind="stable")[:n]
        falling = np.argsort(gains, kind="stable")[:n]

        def moved(rows: Ints) -> tuple[Mover, ...]:
            items = self.items.ids(rows).to_pylist()
            return tuple(map(Mover, items, before[rows].tolist(), after[rows].tolist()))

        return moved(rising[gains[rising] > 0]), moved(falling[gains[falling] < 0])

    def exposure(self) -> pa.Table:
        """What the new lists show: columns item_id, lists that have it, and exposure."""
        items, n = self.after.items, len(self.items)
        shown = exposures(items, self.after.ranks, n)
        columns = {c.ITEM_ID: self.items.values, LISTED: np.bincount(items, minlength=n)}
        return pa.table({**columns, EXPOSURE: shown})

    def churns(self) -> Floats:
        """(n,) churn of each user who has both lists."""
        both = (self.before.lengths > 0) & (self.after.lengths > 0)
        return self._per_user.churn[both]

    def _exposure_shares(self, lists: _Lists) -> Floats:
        shown = exposures(lists.items, lists.ranks, len(self.items))
        return np.asarray(shown / max(shown.sum(), np.finfo(float).tiny))

    @cached_property
    def _per_user(self) -> "_PerUser":
        return _per_user(self.before, self.after, len(self.items), self.persistence)


@dataclass(frozen=True)
class _PerUser:
    """(u,) each; 0 overlap and rbo, and churn 1, where one of the two lists is empty."""

    overlap: Floats
    rbo: Floats
    churn: Floats


def _per_user(before: _Lists, after: _Lists, n_items: int, persistence: float) -> _PerUser:
    """Overlap, RBO and churn of each user's two lists.

    Rank-biased overlap (Webber, Moffat and Zobel 2010, eq. 4) is the mean of the agreements
    A_d = shared items among the first d / d with weights p^(d-1). The sum ends at the length of
    the longer list and is divided by its weights, so that equal lists have 1. An item shared at
    ranks r and s adds p^(d-1) / d for each depth d from max(r, s) on.
    """
    keys, others_keys = (lists.users * n_items + lists.items for lists in (before, after))
    _, left, right = np.intersect1d(keys, others_keys, return_indices=True)
    users, ranks, others = before.users[left], before.ranks[left], after.ranks[right]
    u, longest = len(before.lengths), np.maximum(before.lengths, after.lengths)
    depths = np.arange(1, longest.max(initial=1) + 1)
    weights = persistence ** (depths - 1.0)
    totals = np.concatenate([[0.0], np.cumsum(weights)])
    gained = np.concatenate([[0.0], np.cumsum(weights / depths)])
    agreement = gained[longest[users]] - gained[np.maximum(ranks, others) - 1]
    places = np.maximum(longest, 1)
    rbo = np.bincount(users, weights=agreement, minlength=u) / totals[places]
    same = np.bincount(users[ranks == others], minlength=u)
    overlap = np.bincount(users, minlength=u) / places
    return _PerUser(overlap, np.minimum(rbo, 1.0), 1.0 - same / places)


def _cut(table: pa.Table, depth: int) -> pa.Table:
    columns = [pc.list_slice(table[name], 0, depth) for name in (c.ITEM_IDS, c.SCORES)]
    return pa.table([table[c.USER_ID], *columns], names=[c.USER_ID, c.ITEM_IDS, c.SCORES])


def _index(ids: list[pa.ChunkedArray]) -> IdIndex:
    chunks = pa.chunked_array([chunk for part in ids for chunk in part.chunks], ids[0].type)
    return IdIndex.build(chunks, "bigint" if pa.types.is_integer(chunks.type) else "text")


def _flat(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = [chunk.flatten() for chunk in lists.chunks]
    return pa.chunked_array(chunks, lists.type.value_type)


def _combined(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _numbered(table: pa.Table, users: IdIndex, items: IdIndex) -> _Lists:
    row_lengths = pc.list_value_length(table[c.ITEM_IDS]).to_numpy().astype(np.int64)
    rows = users.rows(table[c.USER_ID]).to_numpy().astype(np.int64)
    lengths = np.zeros(len(users), np.int64)
    lengths[rows] = row_lengths
    starts = np.cumsum(row_lengths) - row_lengths
    scores = _flat(table[c.SCORES]).to_numpy()
    filled = row_lengths > 0
    # In order of users: a mean of floats depends on the order that they are added in.
    bests = scores[starts[filled]][np.argsort(rows[filled])]
    return _Lists(
        rows=table.num_rows,
        lengths=lengths,
        users=np.repeat(rows, row_lengths),
        items=items.rows(_flat(table[c.ITEM_IDS])).to_numpy().astype(np.int64),
        ranks=np.arange(row_lengths.sum()) - np.repeat(starts, row_lengths) + 1,
        best_scores=bests.astype(np.float64),
    )


def _drift(before: Floats, after: Floats) -> float | None:
    if min(len(before), len(after)) < _ENOUGH_LISTS or (spread := float(before.std())) == 0.0:
        return None
    return float(after.mean() - before.mean()) / spread


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _plain(value: float | None) -> int | float | None:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
