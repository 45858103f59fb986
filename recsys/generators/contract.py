"""Protocols of candidate generators and of their models.

A generator is one module of `recsys.generators` with `Config`, `MODEL` and `fit`; its name is the
module's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, ItemRows, Ragged
from recsys.dataset.changes import IndexAlignment
from recsys.dataset.training import Training
from recsys.sections.base import NonNegative, Section

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]


class Model(Protocol):
    """A fitted generator. Rows are those of the user and the item index."""

    def scores(self, users: Rows) -> Scores:
        """(u, items) scores of all items for some users, the caller's own; more is better.

        users: (u,) ascending rows, all of one chunk (see `Scorer.chunks`).
        """

    def scores_of(self, users: Rows, items: Ragged) -> Scores:
        """(entries,) scores of some items of each user, as `scores` has them but for rounding.

        users: (u,) rows. items: a list of rows a user.
        """

    def restricted(self, items: Rows) -> Self:
        """The model of some items alone: (i,) ascending rows."""

    def of_users(self, users: Rows) -> Self:
        """The model of some users alone, who take the rows from 0 on: (u,) rows."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to keep."""

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The model that `arrays()` came from."""


class Contributions(NamedTuple):
    """Parts of a user's raw scores that come from each of the user's own items."""

    own: ItemRows
    """(m,) ascending rows of the user's items."""
    parts: Floats
    """(n, m) what each of them adds to the score of each of n items."""


class Strongest(NamedTuple):
    """The user's own item that speaks most for each entry of some lists."""

    own: ItemRows
    """(entries,) its row; -1 where none speaks for the entry."""
    shares: Scores
    """(entries,) its part of all that speaks for the entry, from 0 to 1."""


@runtime_checkable
class Explains(Protocol):
    """A model whose scores come from the items that a user liked, wholly or in part."""

    def contributions(self, user: int, items: Rows) -> Contributions:
        """Split the raw scores of some items for one user, exactly.

        user: row of the user index. items: (n,) rows of the item index. What the parts of an item
        lack of its score does not come from own items, but from a profile, say.
        """


@runtime_checkable
class ExplainsLists(Explains, Protocol):
    """A model that says quickly what speaks most for each entry of all users' lists."""

    def without(self, items: Ragged) -> Self:
        """The model to which some items of each user say nothing: a list a user."""

    def strongest(self, users: Rows, lists: Ragged) -> Strongest:
        """Find what speaks most for each entry: not always the greatest contribution.

        users: (u,) rows. lists: u lists of item rows.
        """


class GeneratorConfig(Section):
    """Fields of every generator's section."""

    weight: NonNegative = 1.0
    """Weight of its standardised scores where nothing better was learnt; 0 leaves it out."""


@dataclass(frozen=True)
class Span:
    """Values of a parameter that tuning tries."""

    low: float
    high: float
    log: bool = False
    """Whether the search is even in the logarithm."""
    words: Sequence[str] = ()
    """Values that are no numbers, such as "never", each tried beside the span."""


Value = int | float | str
"""Of a parameter that tuning may change."""
Search = Mapping[str, Span | Sequence[int]]
"""Parameters of a generator that tuning tries, those that matter most first: a span of numbers, or
the only numbers there are."""


class Generator(Protocol):
    """A module of `recsys.generators` that makes a kind of model."""

    Config: type[GeneratorConfig]
    MODEL: type[Model]

    def fit(self, training: Training, config: Any, seed: int) -> Model:
        """Fits a model; the same arguments give the same arrays, whatever the number of threads.

        config: an instance of the module's `Config`.
        """


@runtime_checkable
class Tunable(Protocol):
    """A generator with parameters that are worth a search; others are used as configured."""

    SEARCH: Search
    """What `recsys tune` may change of its section."""


@runtime_checkable
class Guided(Protocol):
    """A tunable generator with settings to begin a search with.

    Where parameters depend on each other, as a dimension and its penalty do, steps of one at a time
    do not get from one good setting to another.
    """

    GUESSES: Sequence[Mapping[str, Value]]
    """Settings of parameters of `SEARCH` that did well elsewhere, tried first."""


@runtime_checkable
class Updatable(Protocol):
    """A generator whose knowledge of items can be kept for some days.

    One that cannot costs little and is fitted anew.
    """

    def updated(
        self, model: Any, training: Training, config: Any, alignment: IndexAlignment
    ) -> Model:
        """The model of an earlier as-of for the users of today.

        What it says of items is kept, those it did not know say nothing, and users are seen as they
        are now. model: an instance of the module's `MODEL`. alignment: since the model's as-of.
        """
