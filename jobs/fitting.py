"""Candidate generators, fitted by the engines that the configuration names."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial

from jobs.run.settings import Settings, load_settings
from jobs.stores.warm_start import WarmStart
from recsys.config import Config
from recsys.dataset.changes import IndexAlignment
from recsys.dataset.training import Training
from recsys.generators import als
from recsys.generators.contract import GeneratorConfig, Model, Updatable
from recsys.generators.registry import GENERATORS

log = logging.getLogger(__name__)


def fit_generators(
    training: Training,
    config: Config,
    settings: Settings | None = None,
    start: WarmStart | None = None,
) -> Iterator[tuple[str, Model]]:
    """Fits every generator that the configuration uses; gives each with its name.

    start: where ALS begins; None to begin anew.
    """
    for name, section in config.generators.used().items():
        begin = time.monotonic()
        model = fit_generator(name, training, section, config.seed, settings, start)
        log.info("%s fitted in %.1f s", name, time.monotonic() - begin)
        yield name, model


def updated_generators(
    training: Training, config: Config, base: Callable[[str], Model], alignment: IndexAlignment
) -> Iterator[tuple[str, Model]]:
    """Every configured generator by name, with what those of an earlier as-of say of items.

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
        log.info("%s brought up to date in %.1f s", name, time.monotonic() - begin)
        yield name, model


def fit_generator(
    name: str,
    training: Training,
    section: GeneratorConfig,
    seed: int,
    settings: Settings | None = None,
    start: WarmStart | None = None,
) -> Model:
    """Fits one generator. settings: for engines that need them; None reads the environment.

    start: see `fit_generators`; other generators have no use for it.
    """
    if isinstance(section, als.Config) and section.engine == "spark":
        # Spark takes seconds to load, and most runs do not need it here.
        from jobs.spark import als as spark_als  # noqa: PLC0415

        by_spark = partial(spark_als.factorise, settings or load_settings())
        return als.fit(training, section, seed, by_spark)
    if isinstance(section, als.Config) and start is not None:
        fewer = section.model_copy(update={"iterations": start.iterations})
        return als.fit(training, fewer, seed, partial(als.by_implicit, start=start.item_factors))
    return GENERATORS[name].fit(training, section, seed)
