"""A learned second stage: gradient boosted trees that order candidates (LambdaMART)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats, Ints, Mask, offsets_of, ranges
from recsys.generators.contract import Rows, Scores
from recsys.ranking.candidates import Candidates, candidates, leaders
from recsys.ranking.features import Features, ItemUserFeatures
from recsys.ranking.scoring import Scored, Scorer
from recsys.sections.base import READ_PLACES

if TYPE_CHECKING:
    from lightgbm import Booster

RERANK_DEPTH: Final = 100
"""Candidates of a user that are ranked anew, the best of the sum; the others keep their order."""
DEMOTION: Final = np.float32(1000.0)
"""What the others' scores are lowered by: more than any of them is wide."""
_MOST_ROUNDS: Final = 150
_PATIENCE: Final = 10
"""Rounds without a gain after which no more are made."""
_VALIDATION: Final = 5
"""Of so many users one says when to stop."""
_PARAMETERS: Final = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [READ_PLACES],
    "learning_rate": 0.1,
    "num_leaves": 15,
    "max_bin": 63,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "lambdarank_truncation_level": 30,
    "verbosity": -1,
    "deterministic": True,
    # Its loops are so short that threads wait for each other longer than they work, above all where
    # others work too.
    "num_threads": 1,
    "force_row_wise": True,
}


def fit_ranker(
    features: Features, labels: npt.NDArray[np.bool_], groups: Ints, base: Scores, seed: int
) -> str:
    """Fits LambdaRank (Burges 2010) by LightGBM; gives the model as text.

    base: (p,) the score that the trees correct, and that theirs is added to.

    features: (p, f) of candidates, user by user. labels: (p,) whether the user turned to the item.
    groups: (u,) number of candidates of each user. Rounds end when a fifth of the users, who teach
    nothing else, gain no more by them. The result depends on the seed, not on threads.
    """
    from lightgbm import Dataset, early_stopping, train  # noqa: PLC0415 - seconds, often unused

    offsets = offsets_of(groups)

    def part(users: Ints, like: "Dataset | None" = None) -> "Dataset":
        rows = ranges(offsets[users], groups[users]).values
        return Dataset(
            features[rows],
            labels[rows].astype(np.int8),
            reference=like,
            group=groups[users],
            init_score=base[rows],
        )

    teaching, stopping = _parted(np.diff(offsets_of(labels.astype(np.int64))[offsets]), seed)
    data = part(teaching)
    booster = train(
        {**_PARAMETERS, "seed": seed},
        data,
        _MOST_ROUNDS,
        valid_sets=[part(stopping, data)],
        callbacks=[early_stopping(_PATIENCE, verbose=False)],
    )
    return str(booster.model_to_string(num_iteration=booster.best_iteration))


def _parted(hits: Ints, seed: int) -> tuple[Ints, Ints]:
    """Ascending places of the users that a ranker is fitted to, and of those who say when to stop.

    hits: (u,) of each user. Who has none teaches nothing, unless nobody has any.
    """
    users = np.flatnonzero(hits) if hits.any() else np.arange(len(hits))
    order = np.random.default_rng(seed).permutation(users)
    cut = max(1, len(order) // _VALIDATION)
    return np.sort(order[cut:] if len(order) > 1 else order), np.sort(order[:cut])


def predicted(models: Sequence[str], features: Features) -> Scores:
    """(p,) mean score of some rankers."""
    return _mean(_boosters(models), features)


@dataclass(frozen=True)
class Learned:
    """The candidates of all generators, ordered by learned rankers; see `Blend`."""

    models: Sequence[str]
    """Rankers as text; their scores are averaged."""
    base: Sequence[float]
    """Weights of the sum that the rankers' score is added to."""
    candidates: int
    """Candidates of each generator."""
    scorer: Scorer
    facts: ItemUserFeatures

    @cached_property
    def _loaded(self) -> "list[Booster]":
        return _boosters(self.models)

    def __getstate__(self) -> dict[str, object]:
        """Without the loaded rankers, which each process loads for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_loaded"}

    def totals(self, scored: Scored) -> Scores:
        """(b, a) the rankers' score of each candidate; -inf for other items."""
        found, scores, first = self._found(scored)
        totals = np.full(scored.scores[0].shape, -np.inf, np.float32)
        if first.any():
            features = self.facts.of_candidates(self.scorer, scored, found.of(first))
            scores[first] += _mean(self._loaded, features)
        scores[~first] -= DEMOTION
        totals[found.lines, found.columns] = scores
        return totals

    def proposals(self, users: Rows) -> Ints:
        """See `Blend`."""
        return np.full(len(users), self.candidates)

    def alone(self, scored: Scored) -> Scores:
        """See `Blend`."""
        return np.full_like(scored.scores[0], -np.inf)

    def moved(self, scored: Scored, column: int) -> Floats | None:
        """(features + 1,) what each adds to the rankers' score of an item for the chunk's one user,
        then what all scores have in common; None where the item is not ranked anew.

        SHAP values of trees (Lundberg et al. 2020), averaged over the rankers as their scores are.
        """
        found, _, first = self._found(scored)
        wanted = first & (found.columns == column)
        if not wanted.any():
            return None
        features = self.facts.of_candidates(self.scorer, scored, found.of(wanted))
        parts = [
            np.asarray(booster.predict(features, pred_contrib=True, num_threads=1), np.float64)
            for booster in self._loaded
        ]
        return np.asarray(np.mean(parts, axis=0)[0])

    def _found(self, scored: Scored) -> tuple[Candidates, Scores, Mask]:
        """The candidates, (p,) their sums, and (p,) which of them are ranked anew."""
        found = candidates(scored, self.candidates)
        scores = np.zeros(len(found.lines), np.float32)
        for weight, part in zip(self.base, scored.scores, strict=True):
            scores += np.float32(weight) * part[found.lines, found.columns]
        return found, scores, leaders(found.lines, found.columns, scores, RERANK_DEPTH)

    def shares(self, scored: Scored, columns: Ints) -> Scores:
        """See `Blend`: who places an item highest is who speaks for it."""
        return scored.at(columns)


def _boosters(models: Sequence[str]) -> "list[Booster]":
    from lightgbm import Booster  # noqa: PLC0415 - as above

    return [Booster(model_str=text) for text in models]


def _mean(boosters: "Sequence[Booster]", features: Features) -> Scores:
    scores = [np.asarray(booster.predict(features, num_threads=1)) for booster in boosters]
    return np.asarray(np.mean(scores, axis=0), np.float32)
