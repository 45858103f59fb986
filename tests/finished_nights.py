"""A lake as a night leaves it before it is published, without the night."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from jobs.lake.partitions import Partition
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from jobs.steps import publish_lists
from jobs.stores.models import model_partition, write_policy
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.bands import BANDS
from recsys.nights import Night
from recsys.ranking.policy import BandPolicy, RankingPolicy
from recsys.schemas import FALLBACK, HISTORIES, ITEMS, LISTS, QUARANTINE, RAW, RAW_USERS, Table

DAY: Final = AsOf.parse("2026-01-01")


@dataclass(frozen=True)
class FinishedNight:
    """What a night has made."""

    lists: Mapping[int, Sequence[int]]
    as_of: AsOf = DAY
    best: float = 1.0
    """The score of each first place; the others are lower."""
    method: str = "sum"
    ndcg: float | None = None
    available: int = 50
    members: int = 0

    def table(self, config: Config) -> pa.Table:
        """The `lists` table."""
        rows = [
            {
                "user_id": user,
                "item_ids": items,
                "scores": [self.best + user / 7 - place for place in range(len(items))],
                "sources": [0] * len(items),
                "propensities": [1.0] * len(items),
            }
            for user, items in self.lists.items()
        ]
        return pa.Table.from_pylist(rows, schema=LISTS.arrow(config.ids))

    @property
    def policy(self) -> RankingPolicy:
        order = BandPolicy(
            method=self.method,
            weights=(1.0,),
            validation={} if self.ndcg is None else {"configured": self.ndcg},
            users=0 if self.ndcg is None else 90,
            reason="so it is",
            way="configured",
        )
        return RankingPolicy(
            generators=("popularity",), orders=dict.fromkeys(BANDS, order), base=(1.0,)
        )


@dataclass(frozen=True)
class Publisher:
    """Runs the step that publishes on nights that were never run."""

    config: Config
    settings: Settings
    _ready: set[AsOf] = field(default_factory=set)

    def publish(self, night: FinishedNight, *, promote: bool | None = None, **changes: Any) -> None:
        """Fills the lake and publishes; `changes` replace sections of the configuration."""
        publish_lists.main(self.fill(night, promote=promote, **changes))

    def fill(
        self, night: FinishedNight, *, promote: bool | None = None, **changes: Any
    ) -> RunArguments:
        """Writes what the step reads, and gives what it is run with."""
        config, as_of = self.config.model_copy(update=changes), night.as_of
        observed_at = datetime(2026, 6, 1, tzinfo=UTC)
        arguments = RunArguments(as_of, config, self.settings, observed_at, promote)
        lake = arguments.lake

        def write(partition: Partition, table: pa.Table, **stats: Any) -> None:
            with partition.replace() as draft:
                draft.write_table(table)
                draft.stats |= stats

        def empty(table: Table) -> pa.Table:
            return table.arrow(config.ids).empty_table()

        if as_of not in self._ready:
            self._ready.add(as_of)
            for name in config.sources.configured():
                write(lake.as_of(RAW[name].name, as_of), empty(RAW[name]))
                place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
                write(lake.as_of(f"{place}/undated", as_of), empty(RAW[name]))
            for name in config.generators.used():
                write(model_partition(lake, name, as_of), pa.table({}))
            write(lake.as_of(HISTORIES.name, as_of), empty(HISTORIES))
            write(lake.as_of(QUARANTINE.name, as_of), empty(QUARANTINE), rejected={})
            popular = [{"segment": "all", "item_ids": [70, 71], "scores": [2.0, 1.0]}]
            schema = FALLBACK.arrow(config.ids)
            write(lake.as_of(FALLBACK.name, as_of), pa.Table.from_pylist(popular, schema))
        write(lake.as_of(ITEMS.name, as_of), empty(ITEMS), available=night.available)
        members = [{"user_id": user, "active": True} for user in range(night.members)]
        schema = RAW_USERS.arrow(config.ids)
        write(lake.as_of(RAW_USERS.name, as_of), pa.Table.from_pylist(members, schema))
        write_policy(lake, as_of, night.policy, Night(fingerprint=config.lists_fingerprint()))
        write(lake.as_of(LISTS.name, as_of), night.table(config), models=["popularity"])
        return arguments
