"""Candidate generators, fitted by the engines that the configuration names."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

from threadpoolctl import threadpool_limits

from jobs.run.settings import Settings, load_settings
from recsys.config import Config
from recsys.dataset.changes import IndexAlignment
from recsys.dataset.training import Training
from recsys.generators import als
from recsys.generators.contract import GeneratorConfig, Model, Updatable
from recsys.generators.factors import FactorModel
from recsys.generators.registry import GENERATORS

log = logging.getLogger(__name__)

_TOGETHER: Final = 2
"""Generators that are fitted at once. Each has parts that keep one core busy, and one other fills
the rest; more would need the memory of all of them."""


class Fitted(NamedTuple):
    """A generator that was fitted, or brought up to date."""

    name: str
    model: Model
    seconds: float
    """Time that it took, beside whatever was fitted at once."""


def fit_generators(
    training: Training,
    config: Config,
    settings: Settings | None = None,
    earlier: Mapping[str, Model] | None = None,
    *,
    explained: bool = True,
) -> Iterator[Fitted]:
    """Fit every generator that the configuration uses, two at once; in the order of the registry.

    earlier: fitted to less of the same data, which a fit may go on from; by name. explained: see
    `fit_generator`.
    """

    def fitted(used: tuple[str, GeneratorConfig]) -> Fitted:
        name, section = used
        begin = time.monotonic()
        begun = (earlier or {}).get(name)
        model = fit_generator(
            name, training, section, config.seed, settings, begun, explained=explained
        )
        seconds = time.monotonic() - begin
        log.info("%s fitted in %.1f s", name, seconds)
        return Fitted(name, model, seconds)

    # Held to one thread once for all: a limit that a fit ends would end that of the others.
    one_each = threadpool_limits(limits=1, user_api="blas")
    with one_each, ThreadPoolExecutor(_TOGETHER) as threads:
        yield from threads.map(fitted, config.generators.used().items())


def is_start(less: Training, more: Training) -> bool:
    """Whether fits to `more` can go on from those to `less`, which is a part of it: most of it."""
    return 2 * int(less.history.nnz) >= int(more.history.nnz)


def updated_generators(
    training: Training, config: Config, base: Callable[[str], Model], alignment: IndexAlignment
) -> Iterator[Fitted]:
    """Every configured generator, with what those of an earlier as-of say of items.

    Those that are not `Updatable` are fitted. base: reads a generator of that as-of by name.
    alignment: since then.
    """
    for name, section in config.generators.used().items():
        begin = time.monotonic()
        generator = GENERATORS[name]
        if isinstance(generator, Updatable):
            model = generator.updated(base(name), training, section, alignment)
        else:
            model = generator.fit(training, section, config.seed)
        seconds = time.monotonic() - begin
        log.info("%s brought up to date in %.1f s", name, seconds)
        yield Fitted(name, model, seconds)


def fit_generator(
    name: str,
    training: Training,
    section: GeneratorConfig,
    seed: int,
    settings: Settings | None = None,
    earlier: Model | None = None,
    *,
    explained: bool = True,
) -> Model:
    """Fits one generator. settings: for engines that need them; None reads the environment.

    earlier: what the generator came to on less of the same data, if that is known. explained: False
    for a model that is only measured, which may do without what makes its scores explicable.
    """
    if isinstance(section, als.Config) and section.engine == "spark":
        # Spark takes seconds to load, and most runs do not need it here.
        from jobs.spark import als as spark_als  # noqa: PLC0415

        by_spark = partial(spark_als.factorise, settings or load_settings())
        return als.fit(training, section, seed, by_spark)
    if isinstance(section, als.Config) and isinstance(earlier, FactorModel):
        return als.refit(training, section, seed, earlier)
    if isinstance(section, als.Config) and not explained:
        return als.fit(training, section, seed, partial(als.by_implicit, exact=False))
    return GENERATORS[name].fit(training, section, seed)
