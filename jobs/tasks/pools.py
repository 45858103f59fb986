"""The pools of all users in the lake, summed up on executors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from jobs.lake.files import StoredFile
from jobs.spark.session import executor_errors
from jobs.tasks.lists import PoolReader
from recsys.lists.chain import Chain
from recsys.lists.contract import ChunkSummary, Counts, Recipients
from recsys.lists.pools import added, counted, joined, nothing
from recsys.lists.ranked import RankedLists


@dataclass(frozen=True)
class LakePools:
    """Pools that were written to the lake; see `Pools`."""

    spark: SparkSession
    files: Sequence[StoredFile]
    """Of the `pools` table."""
    chain: Chain
    """The steps before."""

    def summed(self, summary: ChunkSummary) -> Counts:
        """See `Pools`. Sums of two tasks at a time meet on executors, and one comes back."""
        context = self.spark.sparkContext
        shared, files = context.broadcast(self.chain), self.files

        def total(numbers: Iterable[int]) -> Iterator[Counts]:
            found, reader = nothing(summary), PoolReader()
            for number in numbers:
                for batch in reader.batches(files[number]):
                    for _, users, pools in reader.chunks(batch):
                        lists = shared.value.applied(pools, users)
                        found = added(found, counted(summary, lists, users))
            yield found

        with executor_errors():
            tasks = context.parallelize(range(len(files)), max(len(files), 1))
            return tasks.mapPartitions(total).treeReduce(added)

    def joined(self) -> tuple[RankedLists, Recipients]:
        """See `JointPools`. They come to one process, whose lists depend on one another."""
        return joined(self._chunks())

    def _chunks(self) -> Iterator[tuple[RankedLists, Recipients]]:
        reader = PoolReader()
        for file in self.files:
            for batch in reader.batches(file):
                for _, users, pools in reader.chunks(batch):
                    yield replace(pools, opinions=None), users
