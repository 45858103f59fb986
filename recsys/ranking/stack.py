"""The choice of how lists are ordered, measured on a holdout."""

from collections.abc import Mapping, Sequence

import numpy as np

from recsys.arrays import Ints, Ragged
from recsys.dataset.bands import bands_of
from recsys.dataset.training import Holdout, Training
from recsys.generators.contract import Model, Rows
from recsys.ranking.choice import choose
from recsys.ranking.features import ItemUserFeatures
from recsys.ranking.holdout import HoldoutCandidates, holdout_candidates
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
    found, names = measured_candidates(holdout, models, available, ranking.candidates)
    return choose(found, bands_of_users(holdout), names, weights, ranking, seed, standing)


def measured_candidates(
    holdout: Holdout, models: Mapping[str, Model], available: Rows, most: int
) -> tuple[HoldoutCandidates, Sequence[str]]:
    """The candidates of the holdout's users, and the names of the generators.

    models, available: see `choose_policy`. most: candidates of each generator.
    """
    users, ages = holdout.users, holdout.ages
    training = holdout.training
    people = None if training.people is None else training.people.of_users(users)
    scorer = Scorer.of(models, available, training.history.shape[1], people)
    found = holdout_candidates(
        scorer,
        ItemUserFeatures.of(training).of_users(users),
        np.arange(len(users)),
        seen(training, users),
        holdout.relevant,
        # Where times lack, all ages are equal, and none is above the median.
        ages > np.median(ages) if len(ages) else np.empty(0, dtype=bool),
        most,
    )
    return found, scorer.names


def bands_of_users(holdout: Holdout) -> Ints:
    """(u,) the band of each user of a holdout."""
    return bands_of(np.diff(holdout.training.history.indptr))[holdout.users]
