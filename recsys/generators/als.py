"""Matrix factorisation of implicit feedback by alternating least squares (Hu et al. 2008)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.dataset.bands import WARM_FROM
from recsys.dataset.changes import IndexAlignment, aligned_cells, aligned_rows
from recsys.dataset.training import Training
from recsys.errors import ConfigError
from recsys.generators import aging, content
from recsys.generators.als_model import AlsModel, NormalEquations, folded_in, normal_matrix
from recsys.generators.cold import mapped
from recsys.generators.contract import Search, Span, Value
from recsys.generators.factors import FactorModel, Factors
from recsys.sections.base import Count, NonNegative, Positive

MODEL: Final = AlsModel
SEARCH: Final[Search] = {
    "regularization": Span(0.5, 300.0, log=True),
    "alpha": Span(1.0, 100.0, log=True),
    "factors": (32, 64, 128, 256, 512),
    "popularity_exponent": Span(0.0, 0.8),
    **aging.SEARCH,
}
GUESSES: Final[Sequence[Mapping[str, Value]]] = (
    {"factors": 256, "regularization": 80.0, "alpha": 20.0},
    {"factors": 512, "regularization": 80.0, "alpha": 40.0},
)
"""Long vectors go with a penalty that short ones do badly with. Between what Rendle et al. (2022)
publish for ML-20M and MSD, where an unobserved cell weighs 0.1 and 0.02 and an observed one 1."""
_LAST_STEPS: Final = 10
"""Steps after which the users' vectors solve their equations to 1e-5 of a score."""

_STEPS: Final = 2
"""Steps of conjugate gradients towards a row's vector in a pass. With the 3 that `implicit` makes,
NDCG@20 on holdouts of four public data sets differs by a third of its error, and a pass takes 1.3
times as long."""


class Config(aging.Aging):
    """Confidence is 1 + alpha * faded and discounted weight."""

    weight: NonNegative = 1.0
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    engine: Literal["implicit", "spark"] = "implicit"
    """What factorises the matrix: `implicit` on one machine, or Spark on its executors."""
    factors: Annotated[int, Field(gt=0, le=4096)] = 128
    """Length of the vectors."""
    alpha: Positive = 20.0
    """Confidence is 1 + alpha times the weight, which is 1 in the mean."""
    regularization: NonNegative = 100.0
    """Penalty on long vectors."""
    iterations: Count = 8
    """Passes over users and items."""
    warm_iterations: Annotated[int, Field(ge=0)] = 4
    """Passes of the fit on everything, which goes on from the item vectors of the one without the
    last days; 0 makes it begin anew, as it does by Spark."""
    popularity_exponent: Annotated[float, Field(ge=0, le=2)] = 0.5
    """Discount of what is liked by many: a weight is divided by users^exponent of its item."""


Factorise = Callable[[sparse.csr_matrix, Config, int], FactorModel]
"""Vectors from (users, items) confidence, 1 or more where the user liked the item, and a seed.

They minimise the sum over all cells of c (p - x.y)^2, plus regularization (sum |x|^2 + sum |y|^2);
p is 1 in stored cells, elsewhere p is 0 and c is 1. Rows without a stored cell are zeros.
"""


def fit(
    training: Training, config: Config, seed: int, factorise: Factorise | None = None
) -> AlsModel:
    """ALS; users with few items are folded in, those with none placed by profile.

    factorise: the configured engine; None where it is `implicit`.
    Items without interactions are placed by their descriptions. Who cannot be placed gets zeros.
    With `implicit` the result depends on the seed, not on the number of threads: it solves each row
    by itself, and BLAS below it is held to one.
    """
    if factorise is None and config.engine != "implicit":
        raise ConfigError(
            f"field generators.als.engine: {config.engine} cannot be run here; use implicit"
        )
    confidence = _confidence(_weights(training, config), config)
    with threadpool_limits(limits=1, user_api="blas"):
        model = (factorise or by_implicit)(confidence, config, seed)
        touched = np.diff(confidence.indptr)
        few = np.flatnonzero((touched > 0) & (touched < WARM_FROM))
        everybody = normal_matrix(model.item_factors, config.regularization)
        model.user_factors[few] = folded_in(model.item_factors, confidence[few], everybody)
        placed = _with_cold(model, training, touched, seed)
        equations = NormalEquations(placed.item_factors, everybody, confidence)
        return AlsModel(placed.user_factors, placed.item_factors, equations)


def refit(training: Training, config: Config, seed: int, earlier: FactorModel) -> AlsModel:
    """ALS by `implicit` that goes on from the item vectors of a fit to less of the same data.

    earlier: of the same items. Four passes from there come to the quality of eight from nothing
    (decision 66).
    """
    if not config.warm_iterations:
        return fit(training, config, seed)
    fewer = config.model_copy(update={"iterations": config.warm_iterations})
    return fit(training, fewer, seed, partial(by_implicit, start=earlier.item_factors))


def updated(
    model: AlsModel, training: Training, config: Config, alignment: IndexAlignment
) -> AlsModel:
    """Item vectors as they were, with zeros for new items; users who changed are folded in.

    Vectors of others are kept, and what they solve. Who is new and has no events gets zeros until
    the next fit.
    """
    items = aligned_rows(model.item_factors, alignment.items)
    users = aligned_rows(model.user_factors, alignment.users)
    everybody = model.equations.everybody
    confidence = _confidence(_weights(training, config), config)
    rows = np.flatnonzero(alignment.changed)
    with threadpool_limits(limits=1, user_api="blas"):
        users[rows] = folded_in(items, confidence[rows], everybody)
    kept = aligned_cells(model.equations.confidence, alignment.users, alignment.items)
    solved = _taking(kept, confidence, alignment.changed)
    return AlsModel(users, items, NormalEquations(items, everybody, solved))


def _taking(
    kept: sparse.csr_matrix, news: sparse.csr_matrix, changed: np.ndarray
) -> sparse.csr_matrix:
    """(users, items) the rows of one matrix, those of another where they changed."""
    both = sparse.vstack([kept, news], format="csr")
    return both[np.arange(len(changed)) + len(changed) * changed]


def _weights(training: Training, config: Config) -> sparse.csr_matrix:
    """(users, items) weights of what users liked, faded."""
    return aging.faded(training, training.history.data * aging.fading(training, config))


def _confidence(weights: sparse.csr_matrix, config: Config) -> sparse.csr_matrix:
    """(users, items) 1 + alpha * discounted weight, which has mean 1 over all cells, so that alpha
    means the same whatever events are worth."""
    users = np.bincount(weights.indices, minlength=weights.shape[1])
    discounts = np.maximum(users, 1.0) ** -config.popularity_exponent
    discounted = weights.data * discounts[weights.indices]
    mean = discounted.mean(dtype=np.float64) if len(discounted) else 1.0
    weights.data = (1.0 + config.alpha / mean * discounted).astype(np.float32)
    return weights


def by_implicit(
    confidence: sparse.csr_matrix,
    config: Config,
    seed: int,
    start: Factors | None = None,
    *,
    exact: bool = True,
) -> FactorModel:
    """See `Factorise`. start: (items, k) item vectors to begin with, zeros for new items.

    exact: whether users' vectors are to solve their equations, which the last pass leaves behind
    as it moves the items; without, scores are as good and cannot be split exactly.
    The first step solves the users for given items, so nothing of users need be kept.
    """
    from recsys.generators.block_als import BlockALS  # noqa: PLC0415 - a second, for fits alone

    model = BlockALS(
        factors=config.factors,
        regularization=config.regularization,
        alpha=1.0,
        iterations=config.iterations,
        random_state=seed,
    )
    model.cg_steps = _STEPS
    if start is not None:
        model.item_factors = start.copy()
    model.fit(confidence, show_progress=False)
    if exact:
        model.cg_steps = _LAST_STEPS
        model.solver(confidence, model.user_factors, model.item_factors, model.regularization)
    return FactorModel(model.user_factors, model.item_factors)


def _with_cold(
    model: FactorModel, training: Training, touched: np.ndarray, seed: int
) -> FactorModel:
    """Places users and items that nobody has seen act, where something is written of them."""
    liked = np.bincount(
        training.history.indices, training.history.data > 0, len(model.item_factors)
    )
    if touched.all() and liked.all():
        return model
    profiles = content.vectors(training.items, training.users, content.Config(), seed)
    return FactorModel(
        mapped(profiles.users, model.user_factors, touched >= WARM_FROM, touched == 0),
        mapped(profiles.items, model.item_factors, liked >= WARM_FROM, liked == 0),
    )
