"""Statistics of a run, gathered from the manifests of its partitions."""

from collections.abc import Mapping
from typing import Any, cast

from jobs.lake.facts import HistoriesFacts, ItemsFacts, NightTuningFacts, QuarantineFacts
from jobs.lake.partitions import Lake, Partition
from jobs.run.entrypoint import RunArguments
from jobs.stores.models import CHOICE, model_partition
from jobs.stores.population import active_users
from jobs.stores.stages import data_through
from jobs.stores.step_facts import read_facts
from jobs.stores.tunings import night_tuning, read_sections
from recsys.as_of import AsOf
from recsys.errors import NoEventsError
from recsys.lists.chain import joint_step
from recsys.lists.contract import JointStep
from recsys.lists.registry import LIST_STEPS
from recsys.schemas import EVENT_SOURCES, HISTORIES, ITEMS, LISTS, QUARANTINE, RAW


def run_stats(arguments: RunArguments) -> dict[str, Any]:
    """Rows read by source and the newest event, rows refused by reason, sizes of matrix, models and
    lists, members, whether users and items are people, and the tuned parameters that the models
    were fitted with."""
    lake, as_of = arguments.lake, arguments.as_of
    read = {name: _read_rows(arguments, name) for name in arguments.config.sources.configured()}
    histories = lake.as_of(HISTORIES.name, as_of).manifest()
    items = lake.as_of(ITEMS.name, as_of).manifest()
    newest = data_through(lake, as_of)
    return {
        "read": read,
        "data_through": None if newest is None else newest.isoformat(),
        "rejected": dict(QuarantineFacts.of(lake.as_of(QUARANTINE.name, as_of)).rejected),
        "matrix": {
            "users": histories.rows,
            "items": items.rows,
            "available_items": ItemsFacts.of(lake.as_of(ITEMS.name, as_of)).available,
            **HistoriesFacts.of(lake.as_of(HISTORIES.name, as_of)).model_dump(),
        },
        "models": _models(arguments),
        "tuning": _tuning(lake, as_of),
        "active_users": active_users(lake, as_of, arguments.config),
        "people": arguments.config.of_people,
        "lists": lake.as_of(LISTS.name, as_of).manifest().rows,
        "market": _market(arguments),
    }


def no_events(arguments: RunArguments) -> NoEventsError:
    """The error of a run whose sources hold nothing that it could learn from."""
    sources = arguments.config.sources.configured()
    places = " and ".join(sources[name].place for name in EVENT_SOURCES if name in sources)
    return NoEventsError(
        f"no usable event before {arguments.as_of} in {places}; "
        "choose a later date, or look into the quarantine for rows that were refused"
    )


def _read_rows(arguments: RunArguments, name: str) -> int:
    lake, table = arguments.lake, RAW[name].name
    if name not in EVENT_SOURCES:
        return lake.as_of(table, arguments.as_of).manifest().rows
    place = lake.events_of(table, arguments.config.source_fingerprint(name))
    window = arguments.config.window.before(arguments.as_of)
    partitions: list[Partition] = [
        lake.window(place, w) for w in lake.windows(place) if w.start < window.end
    ]
    partitions.append(lake.as_of(f"{place}/undated", arguments.as_of))
    return sum(partition.manifest().rows for partition in partitions)


def _market(arguments: RunArguments) -> Mapping[str, float]:
    """What a market of people can expect of the lists; empty of other markets."""
    name = joint_step(arguments.config.lists.steps)
    if name is None:
        return {}
    facts = read_facts(arguments.lake, name, arguments.as_of)
    return cast("JointStep", LIST_STEPS[name]).expected(facts)


def _tuning(lake: Lake, as_of: AsOf) -> Mapping[str, Any]:
    """Which tuning it is, and its parameters; null and none where there is none."""
    partition = night_tuning(lake, as_of)
    if not partition.exists():
        return {"as_of": None, "generators": {}}
    tuning = NightTuningFacts.of(partition).tuning
    return {
        "as_of": None if tuning is None else str(tuning),
        "generators": read_sections(partition),
    }


def _models(arguments: RunArguments) -> Mapping[str, Any]:
    names = [*arguments.config.generators.used(), CHOICE]
    manifests = {
        name: model_partition(arguments.lake, name, arguments.as_of).manifest() for name in names
    }
    return {name: dict(manifest.stats) for name, manifest in manifests.items()}
