"""Sums over the pools of all users, chunk by chunk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Ints, Ragged, cells_of
from recsys.dataset.training import Holdout, Training
from recsys.generators.contract import Model, Rows
from recsys.lists.chain import Chain
from recsys.lists.contract import ChunkSummary, Counts, HeldBack, Recipients
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker
from recsys.matching.pools import people_of
from recsys.ranking.choice import folds
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.stack import seen

_NOBODY: Final = np.empty(0, np.int64)


def ranked_chunks(
    ranker: Ranker, users: Recipients, depth: int, *, to_complete: bool = False
) -> Iterator[tuple[RankedLists, Recipients]]:
    """The pools of users, so many items deep, chunk by chunk. to_complete: see `Ranker.top_n`."""
    start = 0
    for lists in ranker.top_n(users.rows, users.excluded, depth, to_complete=to_complete):
        chosen = np.arange(start, start + len(lists.offsets) - 1)
        yield lists, users.of(chosen)
        start += len(chosen)


def completed_chunks(
    ranker: Ranker, users: Recipients, depth: int, asked: Ragged
) -> Iterator[tuple[RankedLists, Recipients]]:
    """The pools of users with the items that each is asked for, chunk by chunk."""
    if not len(asked.values):
        yield from ranked_chunks(ranker, users, depth)
        return
    start = 0
    for lists, some in ranked_chunks(ranker, users, depth, to_complete=True):
        wanted = asked.take(np.arange(start, start + len(some.rows)))
        yield ranker.completed(lists, some.rows, some.excluded, depth, wanted), some
        start += len(some.rows)


def held_back(  # noqa: PLR0913 - what was held back, and all that ranks it
    holdout: Holdout,
    now: Training,
    models: Mapping[str, Model],
    policy: RankingPolicy,
    available: Rows,
    most: int,
    depth: int,
    seed: int,
    judged: Ints | None = None,
) -> HeldBack:
    """The pools of the users of a holdout, each ranked by what the others taught.

    now: what is known today, as `holdout` knew some of it before.
    models: fitted on `holdout.training`, of the users `judged` alone. policy: chosen on the
    holdout. most: candidates of each generator. depth: items of a pool. seed: of the choice.
    judged: (u,) ascending rows of the users, those of the holdout among them; None: these alone.
    """
    judged = holdout.users if judged is None else judged
    places, order = np.searchsorted(judged, holdout.users), []
    chunks: list[tuple[RankedLists, Recipients]] = []
    parts = [(policy, np.arange(len(judged)))]
    if policy.rankers:
        others = [places[other] for _, other in folds(len(places), seed)]
        # Of the rest no ranker has learnt.
        others[0] = np.setdiff1d(np.arange(len(judged)), np.concatenate(others[1:]))
        own = [policy.model_copy(update={"rankers": (ranker,)}) for ranker in policy.rankers]
        parts = list(zip(own, others, strict=True))
    excluded = seen(holdout.training, judged)
    met = seen(now, judged).without(excluded)
    asked = _asking(now, holdout.training, judged, excluded)
    for way, rows in parts:
        ranker = Ranker.of(models, way, available, holdout.training, most, users=judged)
        users = Recipients(rows, rows.astype(np.uint64), excluded.take(rows))
        chunks += completed_chunks(ranker, users, depth, asked.take(rows))
        order.append(rows)
    users_in_order = np.concatenate(order)
    return HeldBack(
        chunks,
        HeldPools(chunks, Chain((), available, depth)),
        _spread(holdout.relevant, places, len(judged)).take(users_in_order),
        met.take(users_in_order),
        asked.take(users_in_order),
    )


def _spread(lists: Ragged, places: Ints, count: int) -> Ragged:
    """So many lists: those given at ascending places, and others that are empty."""
    lengths = np.zeros(count, np.int64)
    lengths[places] = lists.lengths
    return Ragged.of_lengths(lengths, lists.values)


def _asking(now: Training, before: Training, users: Ints, excluded: Ragged) -> Ragged:
    """Who turned to each of some users first, and waited for the answer in the days held back.

    now, before: what is known today, and was before these days. excluded: of the users.
    """
    if now.people is None:
        return Ragged.of_lengths(np.zeros(len(users), np.int64), _NOBODY)
    people, history = people_of(now), now.history
    place = np.full(history.shape[0], -1)
    place[users] = np.arange(len(users))
    askers, asked = Ragged.of_matrix(history).lines(), people.users[history.indices]
    cells = np.flatnonzero((history.data > 0.0) & (asked >= 0) & (people.items[askers] >= 0))
    cells = cells[place[asked[cells]] >= 0]
    askers, asked = askers[cells], asked[cells]
    # From 1 on, because a pair that is not there has 0.
    ages = _like(history, now.ages + np.float32(1))
    own = cells_of(ages, asked, people.items[askers])
    known = cells_of(
        _like(before.history, np.ones_like(before.ages)), askers, history.indices[cells]
    )
    waited = np.where(own > 0.0, ages.data[cells] > own, known == 0.0)
    order = np.lexsort((people.items[askers], asked))
    order = order[waited[order]]
    lengths = np.bincount(place[asked[order]], minlength=len(users))
    return Ragged.of_lengths(lengths, people.items[askers][order]).without(excluded)


def _like(matrix: sparse.csr_matrix, values: npt.NDArray[np.floating]) -> sparse.csr_matrix:
    """A matrix with other values (stored cells,) in the cells of another."""
    return sparse.csr_matrix((values, matrix.indices, matrix.indptr), matrix.shape)


@dataclass(frozen=True)
class HeldPools:
    """Pools in the memory of one process; see `Pools`."""

    chunks: Sequence[tuple[RankedLists, Recipients]]
    chain: Chain
    """The steps before."""

    def summed(self, summary: ChunkSummary) -> Counts:
        """See `Pools`."""
        total = nothing(summary)
        for lists, users in self.chunks:
            total = added(total, counted(summary, self.chain.applied(lists, users), users))
        return total

    def joined(self) -> tuple[RankedLists, Recipients]:
        """See `JointPools`."""
        return joined(self.chunks)


def joined(
    chunks: Iterable[tuple[RankedLists, Recipients]],
) -> tuple[RankedLists, Recipients]:
    """All pools together, in ascending order of the users' rows, without opinions."""
    parts = list(chunks)
    lists = RankedLists.joined([lists for lists, _ in parts])
    users = Recipients.joined([users for _, users in parts])
    order = np.argsort(users.rows)
    return lists.of(order), users.of(order)


def counted(summary: ChunkSummary, lists: RankedLists, users: Recipients) -> Counts:
    """Count in a chunk by a function; raises TypeError where that gives no whole numbers."""
    found = dict(summary(lists, users))
    odd = [key for key, array in found.items() if not np.issubdtype(array.dtype, np.integer)]
    if odd:
        kind = found[odd[0]].dtype
        raise TypeError(f"{odd[0]} is {kind}: a list step may sum up whole numbers only")
    return found


def nothing(summary: ChunkSummary) -> Counts:
    """Counts of a function where there are no users: zeros."""
    return counted(summary, RankedLists.none(), Recipients.none())


def added(one: Counts, other: Counts) -> Counts:
    """The sums of arrays of the same names and shapes."""
    return {key: array + other[key] for key, array in one.items()}
