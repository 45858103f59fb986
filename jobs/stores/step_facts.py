"""Facts that list steps found in all users' pools, kept with the models of an as-of."""

import numpy as np

from jobs.lake.facts import MadeFacts
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import RunArguments
from jobs.stores.models import TrainingData, model_partition
from jobs.stores.nights import earlier_items
from recsys.as_of import AsOf
from recsys.dataset.changes import aligned_rows
from recsys.generators.contract import Arrays
from recsys.lists.chain import facts_name
from recsys.nights import Night


def write_facts(arguments: RunArguments, step: str, found: Arrays, night: Night) -> None:
    """Keeps what a step found for an as-of. night: the one it was found in."""
    partition = model_partition(arguments.lake, facts_name(step), arguments.as_of)
    with partition.replace() as draft:
        draft.write_arrays({key: np.asarray(array) for key, array in found.items()})
        MadeFacts(night=night).note(draft)


def read_facts(lake: Lake, step: str, as_of: AsOf) -> Arrays:
    """Raises MissingPartitionError where the step was not planned for the as-of."""
    return model_partition(lake, facts_name(step), as_of).arrays()


def kept_facts(arguments: RunArguments, known: TrainingData, step: str, base: AsOf) -> Arrays:
    """Facts of an earlier full night in the order of today's items; 0 for new ones. Single numbers
    are what they were."""
    items = earlier_items(arguments, known, base)
    found = read_facts(arguments.lake, step, base)
    return {
        key: aligned_rows(array, items) if array.shape else array for key, array in found.items()
    }
