"""A made-up market whose trade-off is known: bait is liked most, and reported often."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys import columns as c
from recsys.as_of import AsOf
from recsys.config import Config, parse_config
from recsys.dataset.bands import BANDS
from recsys.dataset.matrices import holdout, training
from recsys.dataset.training import Descriptions, Holdout, Training
from recsys.events.histories import Evidence, Weighting, histories
from recsys.events.recent import Keeping, recent_events
from recsys.generators.contract import Model
from recsys.generators.registry import GENERATORS
from recsys.objectives.learning import Ground
from recsys.objectives.outcomes import Events, outcomes, rates
from recsys.ranking.policy import BandPolicy, RankingPolicy

AS_OF: Final = AsOf.parse("2026-01-01")
DAYS, HOLDOUT_DAYS = 60, 14
USERS, ITEMS, GROUPS = 250, 120, 4
BAIT: Final = np.arange(0, ITEMS, 5)
"""Items that everybody likes twice as often as others, and that half of those report."""
REPORTED: Final = 0.5
TYPES: Final = ("like", "report")
_DAY: Final = 86_400_000_000


def config(weight: float = -1.0, **objectives: Any) -> Config:
    """A configuration with the objective `report`, or with others."""
    asked = objectives or {"report": {"events": ["report"], "weight": weight}}
    table = {"table": "market.events", "columns": {"user_id": "u", "item_id": "i"}}
    table["columns"] |= {"event_type": "t", "occurred_at": "at"}  # type: ignore[operator]
    return parse_config(
        {
            "sources": {
                "items": {"table": "market.items", "columns": {"item_id": "i"}},
                "interactions": table,
            },
            "events": {"like": {"weight": 1.0}, "report": {"weight": 0.0}},
            "ranking": {"holdout_days": HOLDOUT_DAYS},
            "objectives": asked,
        },
        "planted",
    )


def drawn(seed: int) -> Evidence:
    """Likes of items of the own group and of bait, and reports an hour later."""
    rng = np.random.default_rng(seed)
    group, pull = np.arange(ITEMS) % GROUPS, np.ones(ITEMS)
    pull[BAIT] = 2.0
    users, items = [], []
    for user in range(USERS):
        own = pull * np.where((group == user % GROUPS) | (pull > 1.0), 1.0, 0.05)
        # As many as chance has it: of a fixed number the first days would tell the last.
        many = int(rng.gamma(4.0, 4.0)) + 4
        users += [user] * many
        items += rng.choice(ITEMS, many, replace=False, p=own / own.sum()).tolist()
    count, end = len(users), int(AS_OF.instant.timestamp()) * 1_000_000
    at = end - rng.integers(2 * _DAY // 24, DAYS * _DAY, count)
    reported = (pull[items] > 1.0) & (rng.random(count) < REPORTED)
    who, what = np.array(users), np.array(items)
    times = np.concatenate([at, at[reported] + _DAY // 24])
    return Evidence(
        users=np.concatenate([who, who[reported]]),
        items=np.concatenate([what, what[reported]]),
        kinds=np.concatenate([np.zeros(count, np.int64), np.ones(int(reported.sum()), np.int64)]),
        occurred=times,
        known=times,
        values=np.full(len(times), np.nan),
    )


@dataclass(frozen=True)
class PlantedMarket:
    """What a night knows of the market, made by what nights make it with."""

    config: Config
    evidence: Evidence

    @cached_property
    def weighting(self) -> Weighting:
        earlier = AS_OF - timedelta(days=HOLDOUT_DAYS)
        return Weighting(self.config.event_rules(), AS_OF, earlier)

    @cached_property
    def recent(self) -> pa.Table:
        keeping = Keeping.of(self.config.objectives, HOLDOUT_DAYS, AS_OF)
        return recent_events(self.evidence, 0, keeping, self.weighting, self.config.ids)

    @cached_property
    def histories(self) -> pa.Table:
        found = histories(self.evidence, USERS, self.weighting)
        offsets = pa.array(found.offsets, pa.int32())
        lists = {
            c.ITEM_ROWS: found.items,
            c.WEIGHTS: found.weights,
            c.AGES: found.ages,
            c.LAST_AGES: found.last_ages,
            c.EARLIER_WEIGHTS: found.earlier,
            c.EARLIER_LAST_AGES: found.earlier_last_ages,
        }
        made = {name: pa.ListArray.from_arrays(offsets, pa.array(v)) for name, v in lists.items()}
        return pa.table(made | {c.ACTIVE: pa.array(np.ones(USERS, np.bool_))})

    def _rated(self, known: Training, at: AsOf) -> Training:

        asked, events = self.config.objectives, Events.of(self.recent)
        return replace(known, rates=rates(asked, events, at, HOLDOUT_DAYS, known))

    @cached_property
    def training(self) -> Training:
        blank = Descriptions.blank(ITEMS), Descriptions.blank(USERS)
        plain = training(self.histories, *blank, np.full(USERS, -1, np.int32))
        return self._rated(plain, AS_OF)

    @cached_property
    def holdout(self) -> Holdout:

        held = holdout(self.histories, self.training, HOLDOUT_DAYS)
        earlier = AS_OF - timedelta(days=HOLDOUT_DAYS)
        return replace(held, training=self._rated(held.training, earlier))

    def models(self, known: Training) -> dict[str, Model]:
        section = self.config.generators.section("item_item")
        return {"item_item": GENERATORS["item_item"].fit(known, section, 1)}

    @cached_property
    def policy(self) -> RankingPolicy:
        order = BandPolicy(method="sum", weights=(1.0,), validation={}, users=0, reason="planted")
        orders = dict.fromkeys(BANDS, order)
        return RankingPolicy(generators=("item_item",), orders=orders, base=(1.0,))

    @cached_property
    def available(self) -> npt.NDArray[np.int64]:
        return np.arange(ITEMS)

    @cached_property
    def ground(self) -> Ground:
        since = AS_OF - timedelta(days=HOLDOUT_DAYS)
        events = Events.of(self.recent)
        came = {
            name: outcomes(each, events, since, AS_OF, None)
            for name, each in self.config.objectives.items()
        }
        fitted = self.models(self.holdout.training)
        models = {name: model.of_users(self.holdout.users) for name, model in fitted.items()}
        return Ground.of(self.policy, self.holdout, models, self.available, 100, came, 1)
