"""The two stages together: choose how to order, rank."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys.arrays import Ints, Ragged
from recsys.dataset.training import Holdout, Training
from recsys.generators.contract import Model, Rows
from recsys.lists.ranked import RankedLists, select
from recsys.ranking.bands import bands_of
from recsys.ranking.blend import Blend
from recsys.ranking.features import ItemUserFeatures
from recsys.ranking.holdout import holdout_candidates
from recsys.ranking.policy import RankingPolicy, Standing, choose
from recsys.ranking.scoring import Scorer
from recsys.sections.ranking import Ranking


def seen(training: Training, users: Ints) -> Ragged:
    """The items that each of the users has touched."""
    return Ragged.of_matrix(training.history[users])


def choose_policy(
    held: Holdout,
    models: Mapping[str, Model],
    available: Rows,
    ranking: Ranking,
    weights: Sequence[float],
    seed: int,
    standing: Standing | None = None,
) -> RankingPolicy:
    """Measures every way to order the candidates on what was held back; see `choose`.

    models: fitted on `held.training`. available: ascending item rows. Of more than
    `ranking.most_users` users so many are drawn.
    """
    most = ranking.most_users
    places = np.arange(len(held.users))
    if len(places) > most:
        draw = np.random.default_rng(seed).choice(len(places), most, replace=False)
        places = np.sort(draw)
    users = held.users[places]
    scorer = Scorer.of(models, available, held.training.history.shape[1])
    found = holdout_candidates(
        scorer,
        ItemUserFeatures.of(held.training),
        users,
        seen(held.training, users),
        held.relevant.take(places),
        ranking.candidates,
    )
    bands = bands_of(np.diff(held.training.history.indptr))[users]
    return choose(found, bands, scorer.names, weights, ranking, seed, standing)


@dataclass(frozen=True)
class Ranker:
    """Everything that making lists needs, the same for every user."""

    scorer: Scorer
    blend: Blend

    @classmethod
    def of(
        cls,
        models: Mapping[str, Model],
        choice: RankingPolicy,
        available: Rows,
        training: Training,
        most: int,
    ) -> Self:
        """The two stages of a date. most: candidates of each generator."""
        scorer = Scorer.of(models, available, training.history.shape[1])
        return cls(scorer, choice.blend(scorer, training, most))

    def top_n(self, users: Ints, excluded: Ragged, n: int) -> Iterator[RankedLists]:
        """The n best available items of each user, block by block.

        users: (u,) ascending rows. excluded: what each must not get, besides what is unavailable.
        """
        for scored in self.scorer.chunks(users, excluded):
            yield select(scored, self.blend, self.scorer.available, n)
