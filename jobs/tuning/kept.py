"""The tuning of an as-of: searched on its matrix, kept in the lake for the nights after it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from jobs.lake.facts import TrialsFacts, TuningFacts
from jobs.lake.files import content
from jobs.lake.partitions import Partition
from jobs.run.entrypoint import RunArguments
from jobs.stores.models import TrainingData
from jobs.stores.tunings import (
    TRIALS,
    Sections,
    read_sections,
    standing_tuning,
    tuning_partition,
    with_tuned,
    write_tuning,
)
from jobs.tuning.search import Trial
from jobs.tuning.tuner import Budget, Heard, Tuned, tune
from recsys.generators.contract import Tunable, Value
from recsys.generators.registry import GENERATORS
from recsys.schemas import HISTORIES, ITEMS, RAW_ITEM_PROFILES, RAW_USER_PROFILES

_FILE = "trials.jsonl"


def tune_as_of(arguments: RunArguments, budget: Budget, heard: Heard) -> list[Tuned]:
    """Tunes on the matrix of an as-of and keeps what comes of it.

    The present parameters are those that a night of the as-of uses that has not been made yet. What
    the configuration itself says of a parameter is not searched. Broken off, the search goes on
    where it was.
    """
    lake, as_of = arguments.lake, arguments.as_of
    known, standing = TrainingData(arguments), standing_tuning(arguments)
    sections, remarks = dict[str, Mapping[str, Value]](), dict[str, str]()
    if standing is not None:
        partition = tuning_partition(lake, standing)
        sections |= read_sections(partition)
        remarks |= TuningFacts.of(partition).remarks
    config = with_tuned(arguments.config, sections, f"tuning as of {standing}")
    used = arguments.config.generators.used()
    fixed = {name: section.model_fields_set for name, section in used.items()}
    journal = LakeJournal(arguments, sections)
    found = tune(known.holdout(), known.available, config, budget, heard, journal, fixed)
    for each in (each for each in found if each.taken):
        sections[each.name] = each.setting
        remarks[each.name] = f"as of {as_of}, {each.outcome}"
    taken = tuple(each.name for each in found if each.taken)
    outcomes = {each.name: each.outcome for each in found}
    kept = {name: remarks.get(name, "") for name in sections}
    write_tuning(arguments, sections, TuningFacts(taken=taken, outcomes=outcomes, remarks=kept))
    return found


class LakeJournal:
    """Trials of searches on the matrix of an as-of; see `Journal`.

    They count for the same data, parameters, searches and version alone.
    """

    def __init__(self, arguments: RunArguments, sections: Sections) -> None:
        """sections: the tuned parameters that the search begins with."""
        self._lake, self._as_of = arguments.lake, arguments.as_of
        self._grounds = _digest(arguments, sections)

    def made(self, name: str) -> Sequence[Trial]:
        """The trials of a generator so far; none where they are of other grounds."""
        partition = self._partition(name)
        if not partition.exists() or TrialsFacts.of(partition).grounds != self._grounds:
            return ()
        (file,) = partition.files()
        return [Trial.model_validate_json(line) for line in content(file).splitlines()]

    def keep(self, name: str, trials: Sequence[Trial]) -> None:
        """Keeps the trials of a generator."""
        with self._partition(name).replace() as draft:
            text = "".join(f"{trial.model_dump_json()}\n" for trial in trials)
            draft.write_text(_FILE, text, len(trials))
            TrialsFacts(grounds=self._grounds).note(draft)

    def _partition(self, name: str) -> Partition:
        return self._lake.as_of(f"{TRIALS}/{name}", self._as_of)


def _digest(arguments: RunArguments, sections: Sections) -> str:
    lake, as_of, config = arguments.lake, arguments.as_of, arguments.config
    tables = (HISTORIES, ITEMS, RAW_ITEM_PROFILES, RAW_USER_PROFILES)
    partitions = (lake.as_of(table.name, as_of) for table in tables)
    files = [
        (file.rows, file.bytes, file.crc32)
        for partition in partitions
        if partition.exists()
        for file in partition.manifest().files
    ]
    searches = {
        name: repr(generator.SEARCH)
        for name, generator in GENERATORS.items()
        if isinstance(generator, Tunable)
    }
    told = [files, config.lists_fingerprint(), sections, searches, version("recsys")]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
