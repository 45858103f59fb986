"""The stages at which a night's tables are checked, and the partition of each one's results."""

from typing import Final, Literal

from jobs.lake.partitions import Lake, Partition
from recsys.as_of import AsOf

CONTRACTS: Final = "contracts"
#: When a table is checked: as it was read; before models are trained; before lists are published.
Stage = Literal["sources", "matrix", "lists"]
STAGES: Final[tuple[Stage, ...]] = ("sources", "matrix", "lists")


def stage_partition(lake: Lake, stage: Stage, as_of: AsOf) -> Partition:
    """Partition of the results of one stage of an as-of."""
    return lake.as_of(f"{CONTRACTS}/{stage}", as_of)
