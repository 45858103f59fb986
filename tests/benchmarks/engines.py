"""How far lists by Spark's ALS are from those by `implicit`: `python -m tests.benchmarks.engines`.

Each engine is fitted with two seeds on ../shared/data/ml-latest-small, ratings of 4 and more. What
two seeds of one engine have in common is what can be asked of two engines.
"""

import sys
import time
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.fitting import fit_generator
from jobs.run.settings import load_config
from recsys import columns as c
from recsys.dataset.training import Training
from recsys.evaluation.diff import Difference
from recsys.generators import als
from recsys.lists.ranker import ranked_lists
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.ranking.stack import seen
from tests.benchmarks.public_sets import REPOSITORY, movielens

PLACES: Final = 20
SEEDS: Final = (1, 2)


def lists(training: Training, config: als.Config, seed: int) -> pa.Table:
    """What an engine would list for every user by itself."""
    users, items = (np.arange(n) for n in training.history.shape)
    scorer = Scorer.of({"als": fit_generator("als", training, config, seed)}, items, len(items))
    blends = {"als": WeightedSum((1.0,))}
    ranked = ranked_lists(scorer, blends, users, seen(training, users), PLACES)["als"]
    columns = {c.USER_ID: users, c.ITEM_IDS: list(ranked), c.SCORES: list(_falling(ranked))}
    return pa.table(columns)


def _falling(ranked: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Scores of which only the order is asked."""
    return np.broadcast_to(np.arange(PLACES, 0, -1, dtype=np.float32), ranked.shape)


def main() -> None:
    config = load_config(REPOSITORY / "recsys.toml")
    data = movielens(config).data
    training = data.training(data.pairs)
    section = config.generators.als  # type: ignore[attr-defined]
    made = {}
    for engine in ("implicit", "spark"):
        for seed in SEEDS:
            begin = time.monotonic()
            chosen = section.model_copy(update={"engine": engine})
            made[f"{engine}, seed {seed}"] = lists(training, chosen, seed)
            sys.stdout.write(f"{engine}, seed {seed}: {time.monotonic() - begin:.1f} s\n")
    for one, other in combinations(made, 2):
        pair = Difference.between(made[one], made[other], depth=PLACES)
        found = pair.comparison(data.shape[1], data.shape[0])
        figures = f"overlap@{PLACES} {found.overlap:.3f}, RBO {found.rbo:.3f}"
        sys.stdout.write(f"{one} against {other}: {figures}\n")


if __name__ == "__main__":
    main()
