"""A lake as a night leaves it before it is published, without the night."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from jobs.lake.partitions import Partition
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from jobs.steps import publish_lists
from jobs.stores.models import model_partition, write_policy
from jobs.stores.run_metrics import step_partition
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.bands import BANDS
from recsys.nights import Night
from recsys.ranking.policy import BandPolicy, RankingPolicy
from recsys.schemas import (
    FALLBACK,
    HISTORIES,
    ITEMS,
    LISTS,
    QUARANTINE,
    RAW,
    RAW_ITEM_PROFILES,
    RAW_USER_PROFILES,
    RAW_USERS,
    Table,
)

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
    error: float | None = None
    """Standard error of the NDCG."""
    items: Mapping[int, tuple[str | None, Sequence[str]]] = field(default_factory=dict)
    """Title and tags of each item."""
    touched: Mapping[int, int] = field(default_factory=dict)
    """Number of items that each user touched."""
    inactive: Collection[int] = ()
    """Of these users."""
    countries: Mapping[int, str] = field(default_factory=dict)
    """The segment of users, `home.country`; each has a list."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Rows that could not be used, by source and reason."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of steps."""

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
            errors={} if self.error is None else {"configured": self.error},
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
            self._write_people_and_items(night, arguments, write)
            write(lake.as_of(QUARANTINE.name, as_of), empty(QUARANTINE), rejected=night.refused)
            for step, seconds in night.seconds.items():
                write(step_partition(lake, step, as_of), pa.table({}), seconds=seconds)
            segments = [
                "all",
                *sorted({f"home.country={name}" for name in night.countries.values()}),
            ]
            two = {"item_ids": [70, 71], "scores": [2.0, 1.0]}
            popular = [{"segment": segment, **two} for segment in segments]
            schema = FALLBACK.arrow(config.ids)
            write(lake.as_of(FALLBACK.name, as_of), pa.Table.from_pylist(popular, schema))
        rows = [
            {"item_row": row, "item_id": item, "title": title, "available": True}
            for row, (item, (title, _)) in enumerate(night.items.items())
        ]
        catalogue = pa.Table.from_pylist(rows, ITEMS.arrow(config.ids))
        write(lake.as_of(ITEMS.name, as_of), catalogue, available=night.available)
        members = [{"user_id": user, "active": True} for user in range(night.members)]
        schema = RAW_USERS.arrow(config.ids)
        write(lake.as_of(RAW_USERS.name, as_of), pa.Table.from_pylist(members, schema))
        write_policy(lake, as_of, night.policy, Night(fingerprint=config.lists_fingerprint()))
        write(lake.as_of(LISTS.name, as_of), night.table(config), models=["popularity"])
        return arguments

    def _write_people_and_items(
        self, night: FinishedNight, arguments: RunArguments, write: Callable[..., None]
    ) -> None:
        lake, as_of, ids = arguments.lake, arguments.as_of, self.config.ids
        weighed = (c.WEIGHTS, c.AGES, c.LAST_AGES, c.EARLIER_WEIGHTS, c.EARLIER_LAST_AGES)
        histories = [
            {c.USER_ROW: row, c.USER_ID: user, c.BLOCKED_ROWS: []}
            | {c.ITEM_ROWS: list(range(count)), **dict.fromkeys(weighed, [1.0] * count)}
            | {c.ACTIVE: user not in night.inactive}
            for row, (user, count) in enumerate(night.touched.items())
        ]
        tables = {
            HISTORIES: histories,
            RAW_ITEM_PROFILES: [
                {c.ITEM_ID: item, c.TEXT: "", c.TAGS: list(tags), c.ATTRIBUTES: []}
                for item, (_, tags) in night.items.items()
                if tags
            ],
            RAW_USER_PROFILES: [
                {c.USER_ID: user, c.TEXT: "", c.TAGS: [], c.ATTRIBUTES: [f"home.country={country}"]}
                for user, country in night.countries.items()
            ],
        }
        for table, rows in tables.items():
            made = pa.Table.from_pylist(rows, table.arrow(ids))
            write(lake.as_of(table.name, as_of), made)
