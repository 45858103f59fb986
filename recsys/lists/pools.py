"""Sums over the pools of all users, chunk by chunk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Ragged
from recsys.dataset.training import Holdout, Training
from recsys.generators.contract import Model, Rows
from recsys.lists.chain import Chain
from recsys.lists.contract import ChunkSummary, Counts, HeldBack, Recipients
from recsys.lists.ranked import RankedLists
from recsys.lists.ranker import Ranker
from recsys.ranking.choice import folds
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.stack import seen


def ranked_chunks(
    ranker: Ranker, users: Recipients, depth: int, asked: Ragged | None = None
) -> Iterator[tuple[RankedLists, Recipients]]:
    """The pools of users, so many items deep, chunk by chunk; asked: see `Ranker.top_n`."""
    start = 0
    for lists in ranker.top_n(users.rows, users.excluded, depth, asked):
        chosen = np.arange(start, start + len(lists.offsets) - 1)
        yield lists, users.of(chosen)
        start += len(chosen)


def held_back(  # noqa: PLR0913 - what was held back, and all that ranks it
    holdout: Holdout,
    now: Training,
    models: Mapping[str, Model],
    policy: RankingPolicy,
    available: Rows,
    most: int,
    depth: int,
    seed: int,
) -> HeldBack:
    """The pools of the users of a holdout, each ranked by what the others taught.

    now: what is known today, as `holdout` knew some of it before.
    models: fitted on `holdout.training`, of `holdout.users` alone. policy: chosen on the holdout.
    most: candidates of each generator. depth: items of a pool. seed: of the choice.
    """
    count, order = len(holdout.users), []
    chunks: list[tuple[RankedLists, Recipients]] = []
    parts = [(policy, np.arange(count))]
    if policy.rankers:
        others = [other for _, other in folds(count, seed)]
        own = [policy.model_copy(update={"rankers": (ranker,)}) for ranker in policy.rankers]
        parts = list(zip(own, others, strict=True))
    excluded = seen(holdout.training, holdout.users)
    for way, rows in parts:
        ranker = Ranker.of(models, way, available, holdout.training, most, users=holdout.users)
        users = Recipients(rows, rows.astype(np.uint64), excluded.take(rows))
        chunks += ranked_chunks(ranker, users, depth)
        order.append(rows)
    users_in_order = np.concatenate(order)
    return HeldBack(
        chunks,
        HeldPools(chunks, Chain((), available, depth)),
        holdout.relevant.take(users_in_order),
        _without(seen(now, holdout.users), excluded).take(users_in_order),
    )


def _without(lists: Ragged, others: Ragged) -> Ragged:
    """Lists without what the other list of the same number has."""
    kept = ~np.isin(lists.pairs(), others.pairs())
    lengths = np.bincount(lists.lines()[kept], minlength=len(lists.lengths))
    return Ragged.of_lengths(lengths, lists.values[kept])


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
