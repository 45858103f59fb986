"""How readily a person says yes, and how readily others do to it: additive effects on the logit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from recsys.arrays import Floats, Ints, Mask, offsets_of
from recsys.matching.logistic import Strength, ridge

_VARIANCES: Final = (0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Traits:
    """Columns that each person has an effect by: the person itself, and its attributes."""

    cells: sparse.csr_matrix
    """(people, columns) 1 where the person has the column, else 0."""

    @classmethod
    def of(cls, attributes: Sequence[Sequence[str]]) -> Self:
        """attributes: of each person, as `name=value`."""
        people, shared = len(attributes), sorted({a for each in attributes for a in each})
        places = {name: people + place for place, name in enumerate(shared)}
        columns = [[row, *sorted({places[a] for a in each})] for row, each in enumerate(attributes)]
        lengths = np.array([len(each) for each in columns], np.int64)
        indices = np.array([column for each in columns for column in each], np.int64)
        cells = (np.ones(len(indices)), indices, offsets_of(lengths))
        return cls(sparse.csr_matrix(cells, shape=(people, people + len(shared))))

    def design(self, deciders: Ints, decided: Ints) -> sparse.csr_matrix:
        """(n, 2 columns) of both people of each decision."""
        both = (self.cells[deciders], self.cells[decided])
        return sparse.hstack(both, format="csr")


@dataclass(frozen=True)
class Effects:
    """A logistic regression with an effect of each person as decider and as decided about.

    Unlike rates it allows for whom a person met; someone unknown has the effect of its attributes.
    """

    traits: Traits
    fitted: LogisticRegression

    @classmethod
    def fit(
        cls, traits: Traits, deciders: Ints, decided: Ints, said: Mask, variance: float
    ) -> Self:
        """deciders, decided: (n,) rows of people. said: (n,) whether it was a yes. variance: of the
        effects; see `best_variance`.
        """
        return cls(traits, ridge(traits.design(deciders, decided), said, variance))

    def logits(self, deciders: Ints, decided: Ints) -> Floats:
        """(n,) logit of the chance of a yes."""
        return np.asarray(self.fitted.decision_function(self.traits.design(deciders, decided)))


def best_variance(traits: Traits, deciders: Ints, decided: Ints, said: Mask, seed: int) -> float:
    """The variance of effects that predicts decisions held back best; see `Effects.fit`."""
    return Strength.of(traits.design(deciders, decided), said, _VARIANCES, seed).variance
