"""Figures of a run that its manifests state: rows read and refused, sizes, seconds of each step."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.lake.facts import ListsFacts, ModelFacts, StepFacts
from jobs.lake.partitions import Lake, Partition
from jobs.stores.models import model_partition
from jobs.stores.step_facts import read_facts
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.evaluation.run_metrics import RunMetric
from recsys.lists.chain import market_steps
from recsys.lists.contract import Reporting
from recsys.lists.registry import LIST_STEPS
from recsys.schemas import LISTS


def step_partition(lake: Lake, step: str, as_of: AsOf) -> Partition:
    """Partition of what is known of a step of an as-of that ended well."""
    return lake.as_of(f"steps/{step}", as_of)


def step_seconds(lake: Lake, steps: tuple[str, ...], as_of: AsOf) -> dict[str, float]:
    """Seconds of each step that is known to have ended well."""
    partitions = {step: step_partition(lake, step, as_of) for step in steps}
    there = {step: each for step, each in partitions.items() if each.exists()}
    return {step: StepFacts.of(each).seconds for step, each in there.items()}


def run_metrics(
    lake: Lake, as_of: AsOf, config: Config, stats: Mapping[str, Any], seconds: Mapping[str, float]
) -> list[RunMetric]:
    """The figures of a run that is about to be published, but for those of its audit.

    stats: of the run. seconds: of each step.
    """
    lists = ListsFacts.of(lake.as_of(LISTS.name, as_of))
    single = {
        **{f"matrix_{name}": value for name, value in stats["matrix"].items()},
        "active_users": stats["active_users"],
        "lists": stats["lists"],
        "lists_scored": lists.scored,
        "lists_kept": lists.kept,
    }
    facts = {
        name: ModelFacts.of(model_partition(lake, name, as_of)) for name in config.generators.used()
    }
    fits = {name: of.fit_seconds for name, of in facts.items() if of.fit_seconds is not None}
    labelled = {
        "rows_read": stats["read"],
        "rows_rejected": stats["rejected"],
        "seconds": seconds,
        "fit_seconds": fits,
    }
    return [
        *(RunMetric(name, float(value)) for name, value in single.items()),
        *(
            RunMetric(name, float(value), label=label)
            for name, values in labelled.items()
            for label, value in values.items()
        ),
        *_of_list_steps(lake, as_of, config),
    ]


def _of_list_steps(lake: Lake, as_of: AsOf, config: Config) -> Iterator[RunMetric]:
    """The figures of what the list steps came to; on a night on changes in its last full night."""
    for name in market_steps(config.lists.steps):
        step = LIST_STEPS[name]
        if isinstance(step, Reporting):
            yield from step.metrics(read_facts(lake, name, as_of))
