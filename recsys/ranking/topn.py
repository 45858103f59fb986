"""The best items of each user, exactly, in blocks of users."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from recsys.models.factors import FactorModel, Factors

BLOCK: Final = 256
"""Users scored at once. Every product has this many rows, and a user stands in the same one of
them always: BLAS kernels round rows by their place, and lists must not depend on how users are
spread over tasks."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TopN:
    """Lists of several users, one after the other."""

    offsets: Ints
    """(users + 1,) where each user's list begins and ends."""
    item_rows: Ints
    """Best first; at equal scores the lower row first."""
    scores: Factors
    """Summed score of each."""
    sources: npt.NDArray[np.int16]
    """Index of the model that contributes most to each."""


def top_n(
    models: Sequence[FactorModel],
    users: Ints,
    excluded: tuple[Ints, Ints],
    available: Ints,
    n: int,
) -> Iterator[TopN]:
    """The n best available items of each user by the sum of the models' scores, block by block.

    users: (u,) ascending rows of the user factors.
    excluded: offsets (u + 1,) and item rows of what each user must not get.
    available: (a,) ascending item rows to choose from.
    Lists are shorter than n where fewer items are left.
    """
    items = [np.ascontiguousarray(model.item_factors[available].T) for model in models]
    column_of = np.full(max((len(m.item_factors) for m in models), default=0), -1, np.int64)
    column_of[available] = np.arange(len(available))
    offsets, rows = excluded
    cuts = np.flatnonzero(np.diff(users // BLOCK)) + 1
    starts, ends = [0, *cuts], [*cuts, len(users)]
    with threadpool_limits(limits=1, user_api="blas"):
        for start, end in zip(starts, ends, strict=True):
            block = users[start:end]
            scores = [_scores(m, v, block) for m, v in zip(models, items, strict=True)]
            total = np.sum(scores, axis=0)
            bounds = offsets[start : end + 1]
            columns = column_of[rows[bounds[0] : bounds[-1]]]
            lines = np.repeat(np.arange(len(block)), np.diff(bounds))
            total[lines[columns >= 0], columns[columns >= 0]] = -np.inf
            yield _select(scores, total, available, n)


def _scores(model: FactorModel, items: Factors, block: Ints) -> Factors:
    """(len(block), available items): the scores of a block of users, from a full-size product."""
    users = np.zeros((BLOCK, model.user_factors.shape[1]), np.float32)
    users[block % BLOCK] = model.user_factors[block]
    return np.asarray((users @ items)[block % BLOCK])


def _select(scores: list[Factors], total: Factors, available: Ints, n: int) -> TopN:
    order = _best(total, min(n, total.shape[1]))
    values = np.take_along_axis(total, order, axis=1)
    kept = values > -np.inf
    shares = np.stack([np.take_along_axis(part, order, axis=1) for part in scores])
    sources = shares.argmax(axis=0).astype(np.int16)
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return TopN(offsets, available[order[kept]], values[kept], sources[kept])


def _best(total: Factors, n: int) -> Ints:
    """(users, n) columns of the n highest values a row, by value, then by column."""
    if n == 0:
        return np.empty((len(total), 0), np.int64)
    chosen = np.argpartition(total, -n, axis=1)[:, -n:]
    lowest = np.take_along_axis(total, chosen, axis=1).min(axis=1, keepdims=True)
    for row in np.flatnonzero((total >= lowest).sum(axis=1) > n):
        chosen[row] = np.argsort(-total[row], kind="stable")[:n]
    chosen.sort(axis=1)
    values = np.take_along_axis(total, chosen, axis=1)
    return np.take_along_axis(chosen, np.argsort(-values, axis=1, kind="stable"), axis=1)
