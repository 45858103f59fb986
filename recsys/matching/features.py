"""What generators say of pairs of people, in both directions."""

from collections.abc import Mapping

import numpy as np

from recsys.arrays import Floats, Ints, Ragged
from recsys.generators.contract import Model
from recsys.ranking.scoring import Scorer


def directed_scores(models: Mapping[str, Model], people: int, one: Ints, other: Ints) -> Floats:
    """(n, generators) standardised scores of (n,) others for (n,) people.

    models: fitted on a history whose rows and columns are the same people.
    """
    scorer = Scorer.of(models, np.arange(people), people)
    deciders, starts = np.unique(np.sort(one), return_index=True)
    order, bounds = np.argsort(one, kind="stable"), np.append(starts, len(one))
    nobody = Ragged(np.zeros(len(deciders) + 1, np.int64), np.empty(0, np.int64))
    found, done = np.empty((len(one), len(models))), 0
    for scored in scorer.chunks(deciders, nobody):
        chosen = order[bounds[done] : bounds[done + len(scored.users)]]
        lines = np.searchsorted(scored.users, one[chosen])
        for place, scores in enumerate(scored.scores):
            found[chosen, place] = scores[lines, other[chosen]]
        done += len(scored.users)
    return found
