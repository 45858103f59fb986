"""Protocol of list steps: how one is planned for an as-of, and what it does to ranked lists.

A list step is one module of `recsys.lists.steps` with `Config`, `SCOPE` and `apply`; its name is
the module's. Steps turn the pools that ranking gives, which may be deeper than what is published,
into lists.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from recsys.arrays import ItemRows, Ragged, UserRows
from recsys.dataset.training import Training
from recsys.draws import Words
from recsys.evaluation.run_metrics import RunMetric
from recsys.generators.contract import Arrays, Model, Rows
from recsys.lists.ranked import RankedLists
from recsys.sections.base import Section

Scope = Literal["user", "market", "joint"]


class StepConfig(Section):
    """Base of every list step's section."""

    def check_length(self, length: int) -> None:
        """Raises ValueError where the section does not suit lists of so many items."""


@dataclass(frozen=True)
class Recipients:
    """The users of a chunk of lists."""

    rows: UserRows
    """(users,) ascending rows of the user index."""
    keys: Words
    """(users,) a lasting number of each user, for draws: rows change from night to night."""
    excluded: Ragged
    """Rows of the items that each must not get: touched or blocked."""

    @classmethod
    def none(cls) -> Self:
        """No users."""
        nobody = Ragged.of_lengths(np.empty(0, np.int64), np.empty(0, np.int64))
        return cls(np.empty(0, np.int64), np.empty(0, np.uint64), nobody)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The users of all parts, one part's after the other's."""
        parts = [cls.none(), *parts]
        lengths = np.concatenate([part.excluded.lengths for part in parts])
        excluded = np.concatenate([part.excluded.values for part in parts])
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.keys for part in parts]),
            Ragged.of_lengths(lengths, excluded),
        )

    def of(self, users: Rows) -> Self:
        """Some of the users, by their places (m,) here."""
        return type(self)(self.rows[users], self.keys[users], self.excluded.take(users))


Counts = dict[str, npt.NDArray[np.integer]]
ChunkSummary = Callable[[RankedLists, Recipients], Arrays]
"""Counts something in the pools of a chunk: whole numbers, in arrays of the same shapes always."""


class Pools(Protocol):
    """The ranked pools of all users, as the steps before have left them."""

    def summed(self, summary: ChunkSummary) -> Counts:
        """Adds up what a function counts in each chunk of users.

        Only the sums leave the partitions. They are of whole numbers, so that they do not depend
        on how users are spread: count scores in fixed point. Raises TypeError where they are not.
        """


@dataclass(frozen=True)
class HeldBack:
    """Pools of users of whom the later is known, ranked by models that were fitted before it."""

    chunks: Sequence[tuple[RankedLists, Recipients]]
    pools: Pools
    """The same, to be summed up."""
    relevant: Ragged
    """The items that each of the users, in the order of the chunks, turned to later."""
    met: Ragged
    """The items that each of them met later, whether or not the user turned to them."""
    asked: Ragged
    """In a market of people, those who had turned to each of them first, and were met later or
    might have been: the user then answered or not. They are in the pools beside the best."""


@dataclass(frozen=True)
class StepContext:
    """Context of an as-of for list steps, besides the lists."""

    training: Training
    available: ItemRows
    """(a,) ascending rows of the items that may be recommended."""
    models: Mapping[str, Model]
    """The fitted generators by name."""
    steps: Sequence[str]
    """The list steps, in their order."""
    length: int
    """Items of a published list."""
    seed: int
    """Of draws; each night has its own."""
    held_back: Callable[[], HeldBack] | None = None
    """Ranks the users of the holdout; None where there is none."""
    segments: Mapping[str, int] = field(default_factory=dict)
    """Numbers of the segments that figures are told of, by name; see `Training.segments`."""

    @property
    def items(self) -> int:
        """Size of the item index."""
        return int(self.training.history.shape[1])

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what the numbers in `RankedLists.sources` stand for."""
        return (*self.models, *self.steps)


class ListStep(Protocol):
    """A module of `recsys.lists.steps`."""

    Config: type[StepConfig]
    SCOPE: Scope
    """Whether it looks at one user at a time, or first at sums over the pools of all users, a
    `MarketStep`, or makes all lists of a market of people together, a `JointStep`."""

    def apply(self, lists: RankedLists, users: Recipients, facts: Any, config: Any) -> RankedLists:
        """Makes other lists of a chunk of users; a user's list must not depend on who else is in
        the chunk.

        Lists stay best first. What a user must not get is taken out afterwards, and the scores of
        entries that moved up are lowered to that of the entry above.
        facts: what `prepare` or `plan` gave, sent to executors; empty where the module has neither.
        config: an instance of the module's `Config`.
        """


@runtime_checkable
class Prepared(Protocol):
    """A step that looks at one user at a time, and needs to know more of the as-of."""

    def prepare(self, context: StepContext, config: Any) -> Any:
        """Prepare `apply` for an as-of; None where the step has nothing to do on it."""


@runtime_checkable
class MarketStep(Protocol):
    """A step that looks at the pools of all users before it changes any list."""

    def plan(self, pools: Pools, context: StepContext, config: Any) -> Arrays:
        """(items, …) arrays of what the market says of each item, and single numbers, as arrays
        without an axis, of what it says of itself; `apply` gets them as facts.

        They are kept with the models of the as-of. On a night on changes those of the last full
        night are used, with 0 for items that are new since: 0 must mean that nothing is known.
        """


class JointPools(Protocol):
    """The ranked pools of all users of a market of people, with pairs in both pools.

    But for pairs of whom one must not get the other, having turned to them already, say.
    """

    def joined(self) -> tuple[RankedLists, Recipients]:
        """The pools of all users who have one, in ascending order of rows."""


@runtime_checkable
class JointStep(Protocol):
    """A step that makes the lists of all users together; it stands first."""

    STRANGERS: int
    """People drawn at random who are in each pool beside the best, see `proposed`."""

    def plan(self, pools: JointPools, context: StepContext, config: Any) -> Arrays:
        """Make all lists; `apply` gets the arrays as facts. They are kept with the models of the
        as-of, and every night is a full one."""

    def listed(self, users: UserRows, facts: Arrays) -> Ragged:
        """Item rows of the lists that were made for some users."""

    def expected(self, facts: Arrays) -> Mapping[str, float]:
        """Figures of what the market can expect of the lists, by name."""


@runtime_checkable
class Reporting(Protocol):
    """A market step that says what it came to."""

    def metrics(self, facts: Arrays) -> list[RunMetric]:
        """Figures of a run."""

    def summary(self, facts: Arrays) -> str:
        """One line for the log; empty where the step did nothing."""

    def remark(self, facts: Arrays, item: int, before: int | None, after: int | None) -> str:
        """Why an item stands elsewhere on a list after the step; empty where it says nothing.

        item: its row. before, after: its place from 1, None where it is not there.
        """
