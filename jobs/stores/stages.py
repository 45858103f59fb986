"""The stages at which a night's tables are checked, and the partition of each one's results."""

from datetime import datetime
from typing import Final, Literal

from jobs.lake.facts import CheckFacts, RuleFacts
from jobs.lake.partitions import Lake, Partition
from recsys.as_of import AsOf

CONTRACTS: Final = "contracts"
#: When a table is checked: as it was read; before models are trained; before lists are published.
Stage = Literal["sources", "matrix", "lists"]
STAGES: Final[tuple[Stage, ...]] = ("sources", "matrix", "lists")


def stage_partition(lake: Lake, stage: Stage, as_of: AsOf) -> Partition:
    """Partition of the results of one stage of an as-of."""
    return lake.as_of(f"{CONTRACTS}/{stage}", as_of)


def rule_results(lake: Lake, as_of: AsOf, *stages: Stage) -> list[RuleFacts]:
    """The rules that an as-of was held to at some stages, as far as it was."""
    partitions = [stage_partition(lake, stage, as_of) for stage in stages]
    return [rule for p in partitions if p.exists() for rule in CheckFacts.of(p).rules]


def data_through(lake: Lake, as_of: AsOf) -> datetime | None:
    """The newest event of the sources that a night read, as their check noted it."""
    partition = stage_partition(lake, "sources", as_of)
    if not partition.exists():
        return None
    newest = (each.newest for each in CheckFacts.of(partition).events.values())
    return max((instant for instant in newest if instant is not None), default=None)
