"""The choice of how lists are ordered, measured on a holdout."""

from collections.abc import Mapping, Sequence

import numpy as np

from recsys.arrays import Ints, Ragged, ranges
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

    models: fitted on `holdout.training`. available: ascending item rows. Of more than
    `ranking.most_users` users so many are drawn.
    """
    most = ranking.most_users
    places = np.arange(len(holdout.users))
    if len(places) > most:
        draw = np.random.default_rng(seed).choice(len(places), most, replace=False)
        places = np.sort(draw)
    users = holdout.users[places]
    # Scores of users by themselves: drawn ones are spread over chunks, and each is scored whole.
    relevant = holdout.relevant.take(places)
    _, cells = ranges(holdout.relevant.offsets[places], relevant.lengths)
    ages = holdout.ages[cells]
    own = {name: model.of_users(users) for name, model in models.items()}
    scorer = Scorer.of(own, available, holdout.training.history.shape[1])
    found = holdout_candidates(
        scorer,
        ItemUserFeatures.of(holdout.training).of_users(users),
        np.arange(len(users)),
        seen(holdout.training, users),
        relevant,
        # Where times lack, all ages are equal, and none is above the median.
        ages > np.median(ages) if len(ages) else np.empty(0, dtype=bool),
        ranking.candidates,
    )
    bands = bands_of(np.diff(holdout.training.history.indptr))[users]
    return choose(found, bands, scorer.names, weights, ranking, seed, standing)
