"""A market of people: who may be shown to whom, and how likely each is to say yes."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys.arrays import Floats, Ints, Mask, Ragged


@dataclass(frozen=True)
class Market:
    """Candidate pairs of people, each kept in the row of both.

    A place is that of a candidate among all people's candidates, one person's after the other's.
    """

    candidates: Ragged
    """Rows of those who may be shown to each, ascending; i is a candidate of j if j is of i."""
    likes: Floats
    """(places,) chance that the person says yes to the candidate when seen, in [0, 1]."""
    mirror: Ints
    """(places,) the place of the person among the candidates of the candidate."""
    turns: Ints
    """(people,) 0 or 1: whose lists change together while the others' stand. The two sides of a
    market that has sides; else any halves."""
    said: Mask
    """(places,) whether the person has said yes to the candidate already. Then the candidate is not
    listed, and `likes` is 1."""
    joint: Floats | None = None
    """(places,) chance that both say yes where one yes depends on the other; as answers do."""

    @classmethod
    def of(
        cls,
        people: tuple[Ints, Ints],
        likes: tuple[Floats, Floats],
        turns: Ints,
        joint: Floats | None = None,
        said: tuple[Mask, Mask] | None = None,
    ) -> Self:
        """Of pairs.

        people: (pairs,) the row of one and of the other, no pair twice, in either order.
        likes: (pairs,) chances that the one says yes to the other, and the other to the one.
        joint: (pairs,) chance that both do; where it lacks, one does not depend on the other.
        said: (pairs,) whether the one has said yes to the other, and the other to the one; without,
        nobody has.
        """
        one, other = people
        owners, others = np.concatenate([one, other]), np.concatenate([other, one])
        order = np.lexsort((others, owners))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        lengths = np.bincount(owners, minlength=len(turns))
        decided = np.zeros(len(order), np.bool_) if said is None else np.concatenate(said)[order]
        return cls(
            candidates=Ragged.of_lengths(lengths, others[order]),
            likes=np.where(decided, 1.0, np.concatenate(likes)[order]),
            mirror=np.roll(places, len(one))[order],
            turns=turns,
            said=decided,
            joint=None if joint is None else np.concatenate([joint, joint])[order],
        )

    @classmethod
    def two_sided(cls, likes: Floats, liked: Floats) -> Self:
        """Of two sides in which everybody may be shown to everybody of the other.

        likes: (n, m) chances that each of the first side says yes to each of the second; liked:
        (m, n) the other way. The second side has the rows from n on.
        """
        first, second = (rows.ravel() for rows in np.indices(likes.shape))
        turns = np.repeat([0, 1], likes.shape)
        chances = (likes.ravel(), liked.T.ravel())
        return cls.of((first, second + len(likes)), chances, turns)

    @property
    def people(self) -> int:
        """How many there are."""
        return len(self.turns)

    def mutual(self) -> Floats:
        """(places,) chance that both say yes when each has seen the other."""
        if self.joint is not None:
            return self.joint
        return np.asarray(self.likes * self.likes[self.mirror])
