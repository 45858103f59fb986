"""Tuned parameters of generators in the lake: each tuning, and the one that each night uses.

A tuning of an as-of is found from what was known before it, and nights after it use it. A night
keeps a copy of what it uses, so that made again it uses the same, whatever was tuned since.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from jobs.lake.facts import NightTuningFacts, TuningFacts
from jobs.lake.files import content
from jobs.lake.partitions import Lake, Partition
from jobs.run.entrypoint import RunArguments
from recsys.as_of import AsOf
from recsys.config import Config, explain
from recsys.errors import ConfigError
from recsys.generators.contract import Value
from recsys.generators.registry import GENERATORS

TUNING: Final = "tuning"
NIGHT_TUNING: Final = "night_tuning"
TRIALS: Final = "tuning_trials"
FILE: Final = "recsys.tuned.toml"
_REMEDY: Final = "set tuning.use to another tuning, or tune anew"

Sections = Mapping[str, Mapping[str, Value]]
"""Tuned parameters by generator."""


def tuning_partition(lake: Lake, as_of: AsOf) -> Partition:
    """Partition of the tuning of an as-of."""
    return lake.as_of(TUNING, as_of)


def night_tuning(lake: Lake, as_of: AsOf) -> Partition:
    """Partition of the tuned parameters that the night of an as-of uses."""
    return lake.as_of(NIGHT_TUNING, as_of)


def standing_tuning(arguments: RunArguments) -> AsOf | None:
    """The tuning that the night of an as-of is to use, as `tuning.use` says; None for none.

    The latest one is of an earlier as-of: one of the same is younger than the night.
    """
    use = arguments.config.tuning.use
    if isinstance(use, AsOf):
        return use
    before = [at for at in arguments.lake.instants(TUNING) if at < arguments.as_of]
    return before[-1] if before and use == "latest" else None


def read_sections(partition: Partition) -> Sections:
    """The parameters in a file of tuned ones.

    Raises MissingPartitionError where there is none, ConfigError where somebody broke it.
    """
    (file,) = partition.files()
    try:
        read: Sections = tomllib.loads(content(file).decode()).get("generators", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{partition.label}: not valid TOML: {error}") from None
    return read


def write_tuning(arguments: RunArguments, sections: Sections, facts: TuningFacts) -> None:
    """Keeps the tuning of an as-of."""
    seed = arguments.config.seed
    title = f"Tuned as of {arguments.as_of}, seed {seed}, checked on days that no search saw."
    text = as_toml(sections, facts.remarks, title)
    _write(tuning_partition(arguments.lake, arguments.as_of), text, len(sections), facts)


def settle_tuning(arguments: RunArguments, tuning: AsOf | None) -> None:
    """Decides for good what the night of an as-of uses, unless it was decided before."""
    lake, as_of = arguments.lake, arguments.as_of
    text, rows = as_toml({}, {}, "No tuned parameters."), 0
    if tuning is not None:
        source = tuning_partition(lake, tuning)
        (file,) = source.files()
        text, rows = content(file).decode(), source.manifest().rows
    _write(night_tuning(lake, as_of), text, rows, NightTuningFacts(tuning=tuning))


def with_night_tuning(arguments: RunArguments) -> RunArguments:
    """The arguments with the tuned parameters that the night uses, where that is decided."""
    partition = night_tuning(arguments.lake, arguments.as_of)
    if not partition.exists():
        return arguments
    tuning = NightTuningFacts.of(partition).tuning
    label = f"tuning as of {tuning}"
    config = with_tuned(arguments.config, read_sections(partition), label)
    return replace(arguments, config=config)


def with_tuned(config: Config, sections: Sections, label: str) -> Config:
    """The configuration with tuned parameters, where it does not say anything itself.

    Raises ConfigError where a parameter is none of today's. label: how messages name the tuning.
    """
    changed = {}
    for name, values in sections.items():
        if name not in GENERATORS:
            raise ConfigError(f"{label}: there is no generator {name}; {_REMEDY}")
        section = config.generators.section(name)
        free = {key: value for key, value in values.items() if key not in section.model_fields_set}
        try:
            changed[name] = type(section).model_validate(section.model_dump() | free)
        except ValidationError as error:
            told = explain(error, f"generators.{name}")
            raise ConfigError(f"{label}: {told}; {_REMEDY}") from None
    generators = config.generators.model_copy(update=changed)
    return config.model_copy(update={"generators": generators})


def as_toml(sections: Sections, remarks: Mapping[str, str], title: str) -> str:
    """The text of a file of tuned parameters. remarks: a comment on each section."""
    lines = [f"# {title}"]
    for name, values in sections.items():
        lines += ["", f"# {remarks[name]}", f"[generators.{name}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _write(
    partition: Partition, text: str, rows: int, facts: TuningFacts | NightTuningFacts
) -> None:
    with partition.replace() as draft:
        draft.write_text(FILE, text, rows)
        facts.note(draft)
