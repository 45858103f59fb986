"""What the trials of a search are measured on: samples of users first, then all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy import sparse

from recsys.arrays import Floats, Ints, Mask, Ragged
from recsys.dataset.training import Holdout, Training
from recsys.errors import DataError
from recsys.evaluation.metrics import find_hits, ndcg
from recsys.generators.contract import GeneratorConfig, Model
from recsys.lists.ranker import ranked_lists
from recsys.people.eligibility import Eligibility
from recsys.ranking.blend import WeightedSum, opinionated
from recsys.ranking.scoring import Scorer
from recsys.sections.base import READ_PLACES

_SEARCHED: Final = 2000
"""Users that a trial is measured on at most, on each rung."""
_CHECKED: Final = 5000
"""Users that the best setting is checked on at most."""
_SMALLER: Final = 4
"""Times that a rung has fewer users than the next."""
_LEAST_PAIRS: Final = 100_000
"""Pairs that a sample has at least: from fewer, other settings are best than from all."""
_LEAST_USERS: Final = 300
"""Users that a sample is measured on at least."""
_PASSES: Final = 5
"""Passes of a fit in passes before the last rung."""


@dataclass(frozen=True)
class Measure:
    """NDCG@20 of a generator by itself, on a half of the holdout."""

    users: Ints
    """(u,) ascending rows."""
    relevant: Ragged
    """The items that each of them turned to."""
    closed: Ragged
    """The items that each must not get."""
    available: Ints
    items: int
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people."""

    @classmethod
    def of(
        cls, half: Holdout, closed: sparse.csr_matrix, available: Ints, most: int, seed: int
    ) -> Self:
        """closed: (users, items) a cell for each item that a user must not get. most: users."""
        half = half.drawn(most, seed)
        rows = Ragged.of_matrix(closed[half.users])
        people = half.training.people
        return cls(half.users, half.relevant, rows, available, closed.shape[1], people)

    def hears(self, model: Model) -> bool:
        """Whether the model tells the items of anybody apart."""
        scorer = Scorer.of({"": model}, self.available, self.items, self.people)
        chunks = scorer.chunks(self.users, self.closed)
        return any(opinionated(scored).any() for scored in chunks)

    def ndcg(self, model: Model) -> Floats:
        """(u,) NDCG@20 of each user's list."""
        scorer = Scorer.of({"": model}, self.available, self.items, self.people)
        alone = {"": WeightedSum((1.0,))}
        lists = ranked_lists(scorer, alone, self.users, self.closed, READ_PLACES)[""]
        return ndcg(find_hits(lists, self.relevant), READ_PLACES)


@dataclass(frozen=True)
class Rung:
    """One stage of successive halving: what is fitted, and what that is measured on."""

    training: Training
    measure: Measure
    cost: float
    """Of a fit, as a share of that on the last rung."""
    passes: int | None = None
    """Passes of a fit at most; None: as many as are configured."""

    def section(self, section: GeneratorConfig) -> GeneratorConfig:
        """The section of a generator to be fitted here."""
        configured = getattr(section, "iterations", None)
        if self.passes is None or configured is None or configured <= self.passes:
            return section
        return section.model_copy(update={"iterations": self.passes})


@dataclass(frozen=True)
class Grounds:
    """What all searches are measured on."""

    samples: Sequence[Rung]
    """Samples of the users, each several times as many as the one before; the last has all."""
    check: Measure
    """The later half of the holdout, which no search sees."""

    @classmethod
    def of(cls, holdout: Holdout, available: Ints, seed: int) -> Self:
        """The earlier half of the holdout to search on, the later half to check.

        available: ascending item rows. Raises DataError where either half is empty.
        """
        earlier, later = holdout.halves(seed)
        if not len(earlier.users) or not len(later.users):
            raise DataError(
                f"{len(holdout.users)} users turned to {len(holdout.relevant.values)} new items in "
                "the holdout, too few to search on one half and check on the other; tune on a "
                "later date or on more pairs, or raise ranking.holdout_days"
            )
        history = holdout.training.history
        known = _ones(history.indices, history.indptr, history.shape)
        users, rows = earlier.users[earlier.relevant.lines()], earlier.relevant.values
        cells = np.ones(len(rows), np.float32), (users, rows)
        met = (known + sparse.csr_matrix(cells, shape=known.shape)).tocsr()
        samples = [
            Rung(
                training=holdout.training if kept.all() else holdout.training.of_users(kept),
                measure=Measure.of(_of(earlier, kept), known, available, _SEARCHED, seed),
                cost=share,
            )
            for kept, share in _samples(holdout.training, earlier, seed)
        ]
        return cls(samples, Measure.of(later, met, available, _CHECKED, seed))

    def rungs(self, section: GeneratorConfig) -> Sequence[Rung]:
        """Those of a generator: one that is fitted in passes makes few before the last rung."""
        passes = getattr(section, "iterations", 0)
        if passes <= _PASSES:
            return self.samples
        *smaller, last = self.samples
        few = [Rung(each.training, each.measure, each.cost, _PASSES) for each in smaller or [last]]
        return [*few, last]


def _samples(training: Training, half: Holdout, seed: int) -> list[tuple[Mask, float]]:
    """(users,) who is in each sample, and its share; everybody in the last."""
    users = training.history.shape[0]
    order = np.random.default_rng(seed).permutation(users)
    samples, share = [(np.ones(users, np.bool_), 1.0)], 1.0 / _SMALLER
    while share * training.history.nnz >= _LEAST_PAIRS:
        kept = order < share * users
        if kept[half.users].sum() < _LEAST_USERS:
            break
        samples.append((kept, share))
        share /= _SMALLER
    return samples[::-1]


def _of(half: Holdout, kept: Mask) -> Holdout:
    """The holdout of some users."""
    places = np.flatnonzero(kept[half.users])
    lines = kept[half.users][half.relevant.lines()]
    return Holdout(half.training, half.users[places], half.relevant.take(places), half.ages[lines])


def _ones(columns: Ints, offsets: Ints, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, offsets), shape=shape)
