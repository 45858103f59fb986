"""Facts that the manifest of each table states besides its files, one model a table."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from jobs.lake.partitions import Draft, Partition
from recsys.as_of import AsOf
from recsys.nights import Night


class ManifestFacts(BaseModel):
    """Base of all facts. Those of an earlier version may state more, and are read all the same."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, partition: Partition) -> Self:
        """Read the facts of a partition; raises MissingPartitionError where there is none."""
        return cls.model_validate(partition.manifest().stats)

    def note(self, draft: Draft) -> None:
        """State the facts that are set in a draft's manifest; what is None is left out."""
        stated = self.model_dump(mode="json", exclude_unset=True)
        draft.stats |= {name: value for name, value in stated.items() if value is not None}


class ReadFacts(ManifestFacts):
    """Facts of a raw table."""

    source: str = ""
    """The source's table or collection."""
    rejected: Mapping[str, int] = {}
    """Rows that cannot be used, by reason."""
    observed_at: datetime | None = None
    """When it was read; None of what a first version read."""
    reconstructed: bool | None = None
    """Of a snapshot: whether it was read outside the 24 hours from its as-of on."""
    late: int = 0
    """Of a window that was read again: rows that came after the read before."""


class QuarantineFacts(ManifestFacts):
    """Facts of the rows that could not be used."""

    rejected: Mapping[str, int]
    """How many there are, by source and reason."""


class ItemsFacts(ManifestFacts):
    """Facts of the item index."""

    available: int
    """Items that can be recommended."""


class HistoriesFacts(ManifestFacts):
    """Facts of the user-item matrix."""

    pairs: int = 0
    events: int = 0
    distinct_events: int = 0
    """Events without those that were delivered twice."""


class RecentEventsFacts(ManifestFacts):
    """Facts of the events that objectives ask about."""

    objectives: Mapping[str, str]
    """The outcome that each asks about, as `Objective.outcome` writes it."""


class MadeFacts(ManifestFacts):
    """Facts of anything that is made for a night."""

    night: Night | None = None
    """The night it was made in; None of what a first version made."""


class TuningFacts(ManifestFacts):
    """Facts of a tuning."""

    taken: tuple[str, ...] = ()
    """Generators whose parameters it changed."""
    outcomes: Mapping[str, str] = {}
    """The decision on each generator, and its evidence."""
    remarks: Mapping[str, str] = {}
    """Of each generator whose parameters are tuned: when, and by what evidence."""


class NightTuningFacts(ManifestFacts):
    """Facts of the tuned parameters that a night uses."""

    tuning: AsOf | None = None
    """As-of of the tuning that they are of; None where the night uses none."""


class TrialsFacts(ManifestFacts):
    """Facts of the trials of a search."""

    grounds: str
    """Digest of the data, the present parameters and the search."""


class ModelFacts(MadeFacts):
    """Facts of a fitted generator."""

    shapes: Mapping[str, tuple[int, ...]] = {}
    """Of its arrays, by name."""
    fit_seconds: float | None = None
    """Time that it took to fit, or to bring up to date."""


class ListsFacts(MadeFacts):
    """Facts of the lists."""

    models: tuple[str, ...]
    """Names of the sources, which the lists refer to by position."""
    scored: int = 0
    """Users whose lists were made anew."""
    kept: int = 0
    """Users whose lists are those of the night before."""


class ViolationFacts(ManifestFacts):
    """A rule of a contract that a table broke."""

    table: str
    rule: str
    severity: Literal["fail", "warn"]
    observed: Any
    allowed: Any


class RuleFacts(ViolationFacts):
    """A rule of a contract that a table was held to."""

    passed: bool


class StepFacts(ManifestFacts):
    """Facts of a step of a night that ended well."""

    seconds: float


class EventCheck(ManifestFacts):
    """Facts of an event source's check, for later ones."""

    windows: tuple[str, ...]
    """Windows that were checked, as folders below the lake."""
    mix: Mapping[str, float]
    newest: datetime | None = None


class CheckFacts(ManifestFacts):
    """Facts of a stage's check."""

    violations: tuple[ViolationFacts, ...] = ()
    rules: tuple[RuleFacts, ...] = ()
    """Every rule that a table was held to, as people read it; none of an earlier version."""
    events: Mapping[str, EventCheck] = {}
    """By event source."""

    @property
    def failed_tables(self) -> frozenset[str]:
        """The tables that broke their contracts."""
        return frozenset(each.table for each in self.violations if each.severity == "fail")
