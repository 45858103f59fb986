"""Every generator's scores of a chunk of users, on one scale."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from threadpoolctl import ThreadpoolController

from recsys.arrays import Floats, Ints, Ragged
from recsys.generators.contract import Model, Rows, Scores
from recsys.generators.factors import CHUNK, FactorModel
from recsys.people.eligibility import Eligibility

_FLAT = 1e-6
"""A deviation this small beside the scores themselves is rounding, not an opinion."""


@dataclass(frozen=True)
class Standardised:
    """A model whose scores have mean 0 and deviation 1 for each user.

    A user to whom the model gives every item the same score gets zeros: it has no opinion.
    """

    model: Model
    moments: tuple[Floats, Floats] | None
    """(users,) mean and deviation of the raw scores, where they are known beforehand."""

    @classmethod
    def of(cls, model: Model) -> Self:
        """Standardise a model; of inner products both moments follow from the factors.

        m and C are the mean and the covariance of the item vectors, so no score need be computed.
        """
        if not isinstance(model, FactorModel) or not len(model.item_factors):
            return cls(model, None)
        items = model.item_factors.astype(np.float64)
        middle = items.mean(axis=0)
        centred = items - middle
        covariance = centred.T @ centred / len(items)
        users = model.user_factors.astype(np.float64)
        variance = np.einsum("uk,uk->u", users @ covariance, users)
        deviation = np.sqrt(np.maximum(variance, 0.0))
        size = np.linalg.norm(users, axis=1) * np.sqrt(np.trace(covariance))
        deviation[deviation <= _FLAT * size] = 0.0
        scaled = (users * _inverse(deviation)[:, np.newaxis]).astype(np.float32)
        return cls(
            FactorModel(scaled, centred.astype(np.float32, order="F")), (users @ middle, deviation)
        )

    def scores(self, users: Rows) -> tuple[Scores, Floats, Floats]:
        """(u, items) scores of deviation 1, the caller's own; (u,) mean and (u,) deviation of the
        raw ones."""
        scores = self.model.scores(users)
        if self.moments is not None:
            return scores, self.moments[0][users], self.moments[1][users]
        mean = scores.mean(axis=1, dtype=np.float64)
        scores -= mean[:, np.newaxis].astype(np.float32)
        deviation = np.sqrt(np.einsum("ui,ui->u", scores, scores, dtype=np.float64))
        deviation /= np.sqrt(max(scores.shape[1], 1))
        deviation[deviation <= _FLAT * np.abs(mean)] = 0.0
        scores *= _inverse(deviation)[:, np.newaxis].astype(np.float32)
        return scores, mean, deviation

    def scores_of(self, users: Rows, columns: Ragged, moments: Floats) -> Scores:
        """(entries,) scores of deviation 1 of some items of each user.

        columns: a list a user. moments: (u, 2) mean and deviation of all raw scores of each.
        """
        scores = self.model.scores_of(users, columns)
        if self.moments is not None:
            return scores
        lines = columns.lines()
        mean, inverse = moments[:, 0], _inverse(moments[:, 1])
        scores -= mean.astype(np.float32)[lines]
        scores *= inverse.astype(np.float32)[lines]
        return scores


@dataclass(frozen=True)
class Scored:
    """A chunk of users with every generator's scores of the items to choose from."""

    users: Rows
    """(b,) rows of the user index."""
    scores: Sequence[Scores]
    """(b, a) standardised scores by generator, -inf for what a user must not get; a is the number
    of items to choose from."""
    moments: Sequence[tuple[Floats, Floats]]
    """(b,) mean and (b,) deviation of each generator's raw scores."""

    def of(self, lines: Ints) -> Self:
        """The chunk of some of its users: (l,) ascending lines."""
        return type(self)(
            self.users[lines],
            [scores[lines] for scores in self.scores],
            [(mean[lines], deviation[lines]) for mean, deviation in self.moments],
        )

    def among(self, generators: Ints) -> Self:
        """The chunk as some of the generators see it: (g,) ascending places."""
        places = generators.tolist()
        return type(self)(
            self.users, [self.scores[g] for g in places], [self.moments[g] for g in places]
        )

    def at(self, columns: Ints) -> Scores:
        """(generators, b, n) each one's scores of the items at (b, n) columns."""
        return np.stack([np.take_along_axis(scores, columns, axis=1) for scores in self.scores])

    def all_moments(self) -> Floats:
        """(b, generators, 2) mean and deviation of each generator's raw scores."""
        return np.stack([np.stack(pair, axis=1) for pair in self.moments], axis=1)


@dataclass(frozen=True)
class Scorer:
    """The generators, ready to score the available items."""

    models: Sequence[Standardised]
    names: Sequence[str]
    available: Rows
    """(a,) ascending item rows to choose from."""
    columns: Rows
    """(items,) the place of an item row in `available`; -1 where it is not among them."""
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people."""

    @classmethod
    def of(
        cls,
        models: Mapping[str, Model],
        available: Rows,
        items: int,
        people: Eligibility | None = None,
    ) -> Self:
        """Models in their order; items is the size of the item index."""
        columns = np.full(items, -1, np.int64)
        columns[available] = np.arange(len(available))
        restricted = [Standardised.of(model.restricted(available)) for model in models.values()]
        return cls(restricted, tuple(models), available, columns, people)

    def chunks(self, users: Rows, excluded: Ragged) -> Iterator[Scored]:
        """Scores users chunk by chunk.

        users: (u,) ascending rows. excluded: the items that each must not get.
        """
        offsets, rows = excluded
        cuts = np.flatnonzero(np.diff(users // CHUNK)) + 1
        with blas_on_one_thread():
            for start, end in zip([0, *cuts], [*cuts, len(users)], strict=True):
                chunk = users[start:end]
                bounds = offsets[start : end + 1]
                columns = self.columns[rows[bounds[0] : bounds[-1]]]
                lines = np.repeat(np.arange(len(chunk)), np.diff(bounds))
                closed = lines[columns >= 0], columns[columns >= 0]
                parts = [model.scores(chunk) for model in self.models]
                barred = None
                if self.people is not None:
                    barred = ~self.people.permitted(chunk, self.available)
                for scores, _, _ in parts:
                    scores[closed] = -np.inf
                    if barred is not None:
                        scores[barred] = -np.inf
                yield Scored(
                    users=chunk,
                    scores=[scores for scores, _, _ in parts],
                    moments=[(mean, deviation) for _, mean, deviation in parts],
                )

    def scored(self, users: Rows, excluded: Ragged, columns: Ragged, moments: Floats) -> Scored:
        """Scores of some items of each user alone, in `Scored` side by side: (b, most of a user).

        excluded: the items that each must not get. moments: see `Scored.all_moments`.
        """
        lines = columns.lines()
        rows = self.available[columns.values]
        closed = np.isin(Ragged(columns.offsets, rows).pairs(), excluded.pairs())
        if self.people is not None:
            closed |= ~self.people.permitted_pairs(users[lines], rows)
        shape = len(users), int(columns.lengths.max(initial=0))
        places = np.arange(len(lines)) - columns.offsets[lines]
        tables = []
        for number, model in enumerate(self.models):
            found = model.scores_of(users, columns, moments[:, number])
            found[closed] = -np.inf
            table = np.full(shape, -np.inf, np.float32)
            table[lines, places] = found
            tables.append(table)
        return Scored(users, tables, [(each[:, 0], each[:, 1]) for each in moments.swapaxes(0, 1)])


def blas_on_one_thread() -> AbstractContextManager[object]:
    """Holds BLAS to one thread, so that products do not depend on the number of cores.

    That is of the whole process: around threads that score, one more of these must stand.
    """
    held: AbstractContextManager[object] = _threadpools().limit(limits=1, user_api="blas")
    return held


@cache
def _threadpools() -> ThreadpoolController:
    """Numpy's among them; to look for all libraries of the process takes milliseconds."""
    return ThreadpoolController()


def _inverse(values: Floats) -> Floats:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
