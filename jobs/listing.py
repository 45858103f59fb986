"""The lists of an as-of, planned: what they are ranked with, and the list steps after that."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from jobs.run.entrypoint import RunArguments
from jobs.stores.models import HOLDOUT_MODEL, TrainingData, read_model
from jobs.stores.step_facts import read_facts
from jobs.tasks.lists import ListMaker, PoolCompleter, PoolMaker, PoolSource
from recsys import columns as c
from recsys.arrays import Mask, Ragged
from recsys.dataset.matrices import list_arrays
from recsys.dataset.segments import largest_segments
from recsys.generators.contract import Arrays, Model
from recsys.ids import IdIndex
from recsys.lists.chain import Chain, plan_chain
from recsys.lists.contract import HeldBack, StepContext
from recsys.lists.pools import held_back
from recsys.lists.ranker import Ranker
from recsys.lists.reasons import Reasoner
from recsys.nights import night_seed
from recsys.ranking.policy import RankingPolicy

_SEGMENTS: Final = 50
"""Segments that figures are told of, the largest."""


@dataclass(frozen=True)
class Listing:
    """Parts that make the lists of an as-of, each read or made when it is asked for."""

    arguments: RunArguments
    known: TrainingData
    policy: RankingPolicy

    @cached_property
    def models(self) -> Mapping[str, Model]:
        """The generators that lists are made with."""
        lake, as_of = self.arguments.lake, self.arguments.as_of
        return {name: read_model(lake, name, as_of) for name in self.policy.generators}

    @cached_property
    def context(self) -> StepContext:
        """The context of the list steps."""
        config = self.arguments.config
        return StepContext(
            training=self.known.training,
            available=self.known.available,
            models=self.models,
            steps=config.lists.steps,
            length=config.lists.length,
            seed=night_seed(config.seed, self.arguments.as_of),
            held_back=self._held_back if config.measures() else None,
            segments=largest_segments(*self.known.segments, config.segments.least_users, _SEGMENTS),
        )

    def _held_back(self) -> HeldBack:
        """The pools of the users that are judged, by what full nights fit for the holdout."""
        lake, as_of, config = self.arguments.lake, self.arguments.as_of, self.arguments.config
        models = {
            name: read_model(lake, name, as_of, HOLDOUT_MODEL) for name in self.policy.generators
        }
        return held_back(
            self.known.holdout(),
            self.known.training,
            models,
            self.policy,
            self.known.available,
            config.ranking.candidates,
            config.lists.depth,
            config.seed,
            self.known.judged(),
        )

    @cached_property
    def chain(self) -> Chain:
        """The list steps, with what they found in the pools of all users as the lake has it."""
        lake, as_of = self.arguments.lake, self.arguments.as_of

        def read(step: str, before: Chain) -> Arrays:  # noqa: ARG001 - they are found already
            return read_facts(lake, step, as_of)

        return plan_chain(self.arguments.config.list_steps, self.context, read)

    @cached_property
    def ranker(self) -> Ranker:
        """The two stages of the ranking."""
        return Ranker.of(
            self.models,
            self.policy,
            self.known.available,
            self.known.training,
            self.arguments.config.ranking.candidates,
            opinions=self._with_reasons,
        )

    def pools(self, due: Mask, *, to_complete: bool = False) -> PoolMaker:
        """Ranks users. due: (all users,) which of them. to_complete: see `PoolMaker`."""
        config = self.arguments.config
        return PoolMaker(self.ranker, config.lists.depth, due, config.ids, to_complete)

    def completed(self, asked: Ragged) -> PoolCompleter:
        """Completes pools. asked: see `PoolCompleter`."""
        config = self.arguments.config
        return PoolCompleter(self.ranker, config.lists.depth, asked, config.ids)

    def lists(self, source: PoolSource) -> ListMaker:
        """Makes lists of pools."""
        items = IdIndex(self.known.items[c.ITEM_ID].combine_chunks())
        reasoner = Reasoner.of(self.models, self._blocked) if self._with_reasons else None
        return ListMaker(source, self.chain, items, self.arguments.config.ids, reasoner)

    @property
    def _with_reasons(self) -> bool:
        return self.arguments.config.lists.reasons != "off"

    @property
    def _blocked(self) -> Ragged:
        """The items that each user has blocked."""
        offsets, rows = list_arrays(self.known.histories[c.BLOCKED_ROWS])
        return Ragged(offsets, rows.astype(np.int64))
