"""The choice of how lists are ordered, measured on a holdout."""

from collections.abc import Mapping, Sequence

import numpy as np

from recsys.arrays import Ints, Ragged
from recsys.dataset.bands import bands_of
from recsys.dataset.training import Holdout, Training
from recsys.generators.contract import Model, Rows
from recsys.ranking.choice import choose
from recsys.ranking.features import ItemUserFeatures
from recsys.ranking.holdout import holdout_candidates
from recsys.ranking.policy import RankingPolicy, Standing
from recsys.ranking.scoring import Scorer
from recsys.sections.ranking import Ranking


def seen(training: Training, users: Ints) -> Ragged:
    """The items that each of the users has touched."""
    return Ragged.of_matrix(training.history[users])


def choose_policy(
    holdout: Holdout,
    models: Mapping[str, Model],
    available: Rows,
    ranking: Ranking,
    weights: Sequence[float],
    seed: int,
    standing: Standing | None = None,
) -> RankingPolicy:
    """Measures every way to order the candidates on the holdout; see `choose`.

    models: fitted on `holdout.training`, of `holdout.users` alone (`Model.of_users`).
    available: ascending item rows.
    """
    users, ages = holdout.users, holdout.ages
    training = holdout.training
    people = None if training.people is None else training.people.of_users(users)
    scorer = Scorer.of(models, available, training.history.shape[1], people)
    found = holdout_candidates(
        scorer,
        ItemUserFeatures.of(holdout.training).of_users(users),
        np.arange(len(users)),
        seen(holdout.training, users),
        holdout.relevant,
        # Where times lack, all ages are equal, and none is above the median.
        ages > np.median(ages) if len(ages) else np.empty(0, dtype=bool),
        ranking.candidates,
    )
    bands = bands_of(np.diff(holdout.training.history.indptr))[users]
    return choose(found, bands, scorer.names, weights, ranking, seed, standing)
