"""The list steps of an as-of, ready to run one after the other on chunks of users."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from recsys.arrays import Ints, ItemRows, Mask, Ragged, UserRows
from recsys.generators.contract import Arrays
from recsys.lists.contract import (
    JointPools,
    JointStep,
    MarketStep,
    Pools,
    Prepared,
    Recipients,
    Reporting,
    StepConfig,
    StepContext,
)
from recsys.lists.ranked import RankedLists
from recsys.lists.registry import LIST_STEPS
from recsys.people.eligibility import Eligibility
from recsys.sections.base import Section


@dataclass(frozen=True)
class PlannedStep:
    """A list step with what it needs to know of an as-of."""

    name: str
    config: StepConfig
    facts: Any


@dataclass(frozen=True)
class Chain:
    """List steps in the order in which they run; it may be empty."""

    steps: tuple[PlannedStep, ...]
    available: ItemRows
    """(a,) ascending rows of the items that may be recommended."""
    length: int
    """Items of a published list."""
    people: Eligibility | None = None
    """Who may be shown to whom, where users and items are people."""

    def then(self, step: PlannedStep) -> Self:
        """The chain with one more step at its end."""
        return replace(self, steps=(*self.steps, step))

    def summaries(self) -> dict[str, str]:
        """What each step came to that has something to say."""
        modules = {step.name: (LIST_STEPS[step.name], step.facts) for step in self.steps}
        lines = {
            name: module.summary(facts)
            for name, (module, facts) in modules.items()
            if isinstance(module, Reporting)
        }
        return {name: line for name, line in lines.items() if line}

    def applied(self, lists: RankedLists, users: Recipients) -> RankedLists:
        """Turn the pools of a chunk of users into lists, step by step."""
        for step in self.steps:
            lists = LIST_STEPS[step.name].apply(lists, users, step.facts, step.config)
        return lists

    def asked(self, users: UserRows) -> Ragged | None:
        """What the pools of some users need so that a joint step can make their lists of them; None
        without such a step."""
        for step in self.steps:
            if LIST_STEPS[step.name].SCOPE == "joint":
                return cast("JointStep", LIST_STEPS[step.name]).listed(users, step.facts)
        return None

    def published(self, lists: RankedLists, users: Recipients) -> RankedLists:
        """The lists to publish: what the steps make of the pools, without what a user must not get,
        with scores that do not rise, cut to length."""
        if self.steps:
            lists = _falling(self._permitted(self.applied(lists, users), users))
        return lists.cut(self.length)

    def _permitted(self, lists: RankedLists, users: Recipients) -> RankedLists:
        """The lists without what is unavailable, excluded, not permitted, or there already.

        Ranking offers none of it, but a step may have put it in.
        """
        pairs, barred = lists.items.pairs(), np.sort(users.excluded.pairs())
        offered = np.isin(lists.item_rows, self.available)
        if self.people is not None:
            owners = users.rows[lists.items.lines()]
            offered &= self.people.permitted_pairs(owners, lists.item_rows)
        ordered = np.sort(pairs)
        repeated = ordered[1:] == ordered[:-1]
        # Most often all is well, and to see that is several times quicker in order.
        if offered.all() and not repeated.any() and not _among(ordered, barred).any():
            return lists
        firsts = np.zeros(len(pairs), np.bool_)
        firsts[np.unique(pairs, return_index=True)[1]] = True
        return lists.where(offered & firsts & ~_among(pairs, barred))


def _among(values: Ints, ascending: Ints) -> Mask:
    """(n,) True where a value is among others that ascend."""
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[places] == values)


def _falling(lists: RankedLists) -> RankedLists:
    """The lists with the score of each entry lowered to that of any above it."""
    scores, lines = lists.scores, lists.items.lines()
    rising = (scores[1:] > scores[:-1]) & (lines[1:] == lines[:-1])
    if not rising.any():
        return lists
    places = lists.places()
    square = np.full((len(lists.offsets) - 1, int(places.max()) + 1), np.inf, np.float32)
    square[lines, places] = scores
    lowest: npt.NDArray[np.float32] = np.minimum.accumulate(square, axis=1)
    return replace(lists, scores=lowest[lines, places])


def facts_name(step: str) -> str:
    """The name that a step's facts are kept by, beside the generators of an as-of."""
    return f"step-{step}"


def market_steps(names: Iterable[str]) -> list[str]:
    """Those of some list steps that look at the pools of all users, or make all lists."""
    return [name for name in names if LIST_STEPS[name].SCOPE != "user"]


def joint_step(names: Iterable[str]) -> str | None:
    """The one of some list steps that makes the lists of all users together; None without one."""
    return next((name for name in names if LIST_STEPS[name].SCOPE == "joint"), None)


def without_joint(names: Iterable[str]) -> list[str]:
    """Those of some list steps that do not make the lists of all people together."""
    return [name for name in names if LIST_STEPS[name].SCOPE != "joint"]


def plan_chain(
    sections: Section, context: StepContext, market: Callable[[str, Chain], Arrays]
) -> Chain:
    """The chain of the configured list steps.

    sections: of all steps. market: gives the facts of a step that looks at the pools of all users,
    given the chain before it.
    """
    chain = Chain((), context.available, context.length, context.training.people)
    for name in context.steps:
        step, section = LIST_STEPS[name], getattr(sections, name)
        facts: Any = ()
        if step.SCOPE != "user":
            facts = market(name, chain)
        elif isinstance(step, Prepared):
            facts = step.prepare(context, section)
        if facts is not None:
            chain = chain.then(PlannedStep(name, section, facts))
    return chain


def plan_market_step(name: str, pools: Pools, context: StepContext, sections: Section) -> Arrays:
    """Facts of a step that looks at the pools of all users.

    Raises TypeError where an array of a step that looks at sums is neither a single number nor of
    items.
    """
    step, section = LIST_STEPS[name], getattr(sections, name)
    if step.SCOPE == "joint":
        return cast("JointStep", step).plan(cast("JointPools", pools), context, section)
    found = cast("MarketStep", step).plan(pools, context, section)
    odd = [key for key, each in found.items() if each.shape and len(each) != context.items]
    if odd:
        raise TypeError(f"list step {name}: the first axis of {odd[0]} must be the item index")
    return found
