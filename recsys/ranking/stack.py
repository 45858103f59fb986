"""The two stages together: choose how to order, rank."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys.config import Config
from recsys.dataset.training import HeldBack, Ints, ItemLists, Training, taken
from recsys.generators.contract import Model, Rows
from recsys.lists.ranked import TopN, select
from recsys.ranking.bands import bands_of
from recsys.ranking.blend import Blend
from recsys.ranking.features import Facts
from recsys.ranking.held_out import examples
from recsys.ranking.policy import Choice, Standing, choose
from recsys.ranking.scoring import Scorer


def seen(training: Training, users: Ints) -> ItemLists:
    """The items that each of the users has touched."""
    rows = training.history[users]
    return rows.indptr.astype(np.int64), rows.indices.astype(np.int64)


def choose_blend(
    held: HeldBack,
    models: Mapping[str, Model],
    available: Rows,
    config: Config,
    standing: Standing | None = None,
) -> Choice:
    """Measures every way to order the candidates on what was held back; see `choose`.

    models: fitted on `held.training`. available: ascending item rows. Of more than
    `ranking.most_users` users so many are drawn.
    """
    most = config.ranking.most_users
    places = np.arange(len(held.users))
    if len(places) > most:
        draw = np.random.default_rng(config.seed).choice(len(places), most, replace=False)
        places = np.sort(draw)
    users = held.users[places]
    scorer = Scorer.of(models, available, held.training.history.shape[1])
    found = examples(
        scorer,
        Facts.of(held.training),
        users,
        seen(held.training, users),
        taken(held.relevant, places),
        config.ranking.candidates,
    )
    weights = [section.weight for section in config.generators.used().values()]
    bands = bands_of(np.diff(held.training.history.indptr))[users]
    return choose(found, bands, scorer.names, weights, config.ranking, config.seed, standing)


@dataclass(frozen=True)
class Ranker:
    """Everything that making lists needs, the same for every user."""

    scorer: Scorer
    blend: Blend

    @classmethod
    def of(
        cls,
        models: Mapping[str, Model],
        choice: Choice,
        available: Rows,
        training: Training,
        most: int,
    ) -> Self:
        """The two stages of a date. most: candidates of each generator."""
        scorer = Scorer.of(models, available, training.history.shape[1])
        return cls(scorer, choice.blend(scorer, training, most))

    def top_n(self, users: Ints, excluded: ItemLists, n: int) -> Iterator[TopN]:
        """The n best available items of each user, block by block.

        users: (u,) ascending rows. excluded: what each must not get, besides what is unavailable.
        """
        for scored in self.scorer.blocks(users, excluded):
            yield select(scored, self.blend, self.scorer.available, n)
