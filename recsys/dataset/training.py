"""Training data of models, and the holdout that their lists are measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Ints, Mask, Ragged, offsets_of, ranges
from recsys.people.eligibility import Eligibility


@dataclass(frozen=True)
class Descriptions:
    """Text, tags and attributes of users or items, one entry a row; empty where there is none."""

    text: Sequence[str]
    tags: Sequence[Sequence[str]]
    attributes: Sequence[Sequence[str]]

    @classmethod
    def blank(cls, rows: int) -> Self:
        """Nothing of anybody."""
        nothing: list[list[str]] = [[]] * rows
        return cls([""] * rows, nothing, nothing)


@dataclass(frozen=True)
class OutcomeRates:
    """How often something came of an item, or of what a user turned to, as log odds."""

    items: npt.NDArray[np.float32]
    """(items,)"""
    users: npt.NDArray[np.float32]
    """(users,)"""


@dataclass(frozen=True)
class Training:
    """Everything that was known before one instant, for models to learn from."""

    history: sparse.csr_matrix
    """(users, items) float32; a cell is the decayed weight of what the user did with the item. A
    stored 0 is an item that was only seen. Item rows ascend."""
    ages: npt.NDArray[np.float32]
    """(stored cells,) days from the pair's first event to the instant."""
    last_ages: npt.NDArray[np.float32]
    """(stored cells,) days from the pair's last event to the instant."""
    items: Descriptions
    users: Descriptions
    segments: npt.NDArray[np.int32]
    """(users,) number of each user's segment, -1 where it is unknown."""
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people."""
    rates: Mapping[str, OutcomeRates] = field(default_factory=dict)
    """By objective; none where none is configured."""

    def liked(self) -> sparse.csr_matrix:
        """(users, items) float32 decayed weights without what was only seen."""
        matrix = self.history.copy()
        matrix.eliminate_zeros()
        return matrix

    def of_users(self, kept: Mask) -> Self:
        """As if only some users had done anything; rows stay as they are. kept: (users,)."""
        cells = kept[Ragged.of_matrix(self.history).lines()]
        offsets = offsets_of(np.where(kept, np.diff(self.history.indptr), 0))
        parts = (self.history.data[cells], self.history.indices[cells], offsets)
        history = sparse.csr_matrix(parts, shape=self.history.shape)
        ages, last_ages = self.ages[cells], self.last_ages[cells]
        return replace(self, history=history, ages=ages, last_ages=last_ages)


@dataclass(frozen=True)
class Holdout:
    """Training data of some days earlier, and the items that users turned to since."""

    training: Training
    """As of the earlier instant."""
    users: Ints
    """(u,) ascending rows of the users who turned to something new and can be ranked for."""
    relevant: Ragged
    """The items that each of them turned to: liked, and not touched before."""
    ages: npt.NDArray[np.float32]
    """(relevant,) days from when the user turned to each item to the end; 0 where times lack."""

    def drawn(self, most: int, seed: int) -> "Holdout":
        """The holdout of so many of its users at most, drawn at random."""
        if len(self.users) <= most:
            return self
        draw = np.random.default_rng(seed).choice(len(self.users), most, replace=False)
        places = np.sort(draw)
        offsets = self.relevant.offsets
        _, cells = ranges(offsets[places], self.relevant.lengths[places])
        relevant = self.relevant.take(places)
        return Holdout(self.training, self.users[places], relevant, self.ages[cells])

    def halves(self, seed: int) -> tuple["Holdout", "Holdout"]:
        """The holdout cut in two by time, about half of the items in each.

        Where all is of one time, items are dealt at random. A user may be in both.
        """
        later = self.ages < np.median(self.ages) if len(self.ages) else self.ages > 0
        if len(later) and not later.any():
            later = self.ages <= self.ages.min()
        if later.all():
            later = np.random.default_rng(seed).random(len(self.ages)) < 0.5
        return self._part(~later), self._part(later)

    def _part(self, chosen: npt.NDArray[np.bool_]) -> "Holdout":
        places, counts = np.unique(self.relevant.lines()[chosen], return_counts=True)
        relevant = Ragged.of_lengths(counts, self.relevant.values[chosen])
        return Holdout(self.training, self.users[places], relevant, self.ages[chosen])
