"""Training data, models and ranking policies in the lake."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.facts import MadeFacts, ModelFacts, RecentEventsFacts
from jobs.lake.partitions import Lake, Partition
from jobs.run.entrypoint import RunArguments
from recsys import columns as c
from recsys.arrays import Ints
from recsys.as_of import AsOf
from recsys.dataset import matrices
from recsys.dataset.segments import segments_of, why_no_segment
from recsys.dataset.training import Descriptions, Holdout, Training
from recsys.errors import MissingPartitionError, NoEventsError
from recsys.generators.contract import Model
from recsys.generators.registry import GENERATORS
from recsys.ids import IdIndex
from recsys.lists.chain import joint_step
from recsys.nights import Night
from recsys.objectives.outcomes import Events, Outcomes, outcomes, rates
from recsys.people.eligibility import Eligibility
from recsys.ranking.policy import RankingPolicy
from recsys.schemas import (
    HISTORIES,
    ITEMS,
    RAW_ITEM_PROFILES,
    RAW_USER_PROFILES,
    RECENT_EVENTS,
    Table,
)
from recsys.sections.ids import Ids

MODELS: Final = "models"
CHOICE: Final = "choice"
MODEL: Final = "{}"
HOLDOUT_MODEL: Final = "holdout_{}"
"""Names of what a generator was fitted to in a full night: to everything, or to what was known
before the holdout, and then of the holdout's users alone."""


_LONG: Final[Any] = {
    "rankers": True,
    "like": {"chance": True},
    "objectives": {"__all__": {"chance": True}},
}
"""What of a policy is too long for a manifest."""


class TrainingData:
    """The tables of an as-of that models are trained on, each read when it is asked for."""

    def __init__(self, arguments: RunArguments) -> None:
        self._lake, self._as_of = arguments.lake, arguments.as_of
        self._config = arguments.config

    @cached_property
    def histories(self) -> pa.Table:
        """The `histories` table in order of user_row."""
        return histories(self._lake, self._as_of, self._config.ids)

    @cached_property
    def items(self) -> pa.Table:
        """The `items` table in order of item_row."""
        return self._lake.as_of(ITEMS.name, self._as_of).read(ITEMS, self._config.ids)

    @cached_property
    def available(self) -> Ints:
        """Ascending rows of the items that may be recommended."""
        return np.flatnonzero(self.items[c.AVAILABLE].to_numpy())

    @cached_property
    def training(self) -> Training:
        """The training data.

        Raises NoEventsError where nothing weighs more than 0: lists would be in the order of ids.
        """
        configured = "item_profiles" in self._config.sources.configured()
        profiles = self._profiles(RAW_ITEM_PROFILES, configured=configured)
        index = IdIndex(self.items[c.ITEM_ID].combine_chunks())
        items = descriptions(profiles, c.ITEM_ID, index)
        made = matrices.training(self.histories, items, self._users, self.segments[0], self.people)
        if not (made.history.data > 0).any():
            raise NoEventsError(
                f"no entry of the matrix as of {self._as_of} has a weight above 0, and lists would "
                "be in the order of ids; see the weights and half-lives under [events], and in "
                "which unit the sources keep times"
            )
        return self._with_rates(made, self._as_of)

    @cached_property
    def events(self) -> Events:
        """The events that objectives ask about.

        Raises MissingPartitionError where none were kept, or for other objectives.
        """
        partition = self._lake.as_of(RECENT_EVENTS.name, self._as_of)
        asked = {name: each.outcome for name, each in self._config.objectives.items()}
        if not partition.exists() or RecentEventsFacts.of(partition).objectives != asked:
            raise MissingPartitionError(
                f"the lake has no {partition.label} for these [objectives]; "
                f"`recsys nightly --as-of {self._as_of} --full` keeps them"
            )
        return Events.of(partition.read(RECENT_EVENTS, self._config.ids))

    def _with_rates(self, known: Training, at: AsOf) -> Training:
        """Training data with how often outcomes came, as it was known at an instant."""
        objectives, days = self._config.objectives, self._config.ranking.holdout_days
        if not objectives:
            return known
        return replace(known, rates=rates(objectives, self.events, at, days, known))

    def outcomes(self) -> Mapping[str, Outcomes]:
        """Outcomes of the days held back, by objective."""
        since = self._as_of - timedelta(days=self._config.ranking.holdout_days)
        return {
            name: outcomes(objective, self.events, since, self._as_of, self.people)
            for name, objective in self._config.objectives.items()
        }

    @cached_property
    def people(self) -> Eligibility | None:
        """Who may be shown to whom, where users and items are people."""
        if not self._config.of_people:
            return None
        return Eligibility.of(
            self._config.people.wishes,
            self._users.attributes,
            self.histories[c.USER_ID],
            self.items[c.ITEM_ID],
        )

    @cached_property
    def segments(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """(users,) number of each user's segment, -1 without one, and the segments' names."""
        return segments_of(self._users.attributes, self._config.segments.attribute or "")

    def why_no_segment(self) -> str:
        """The reason why no segment has a list, where `segments.attribute` is set and none has."""
        wanted = self._config.segments
        path = wanted.attribute or ""
        return why_no_segment(self._users.attributes, path, wanted.least_users)

    @cached_property
    def _users(self) -> Descriptions:
        configured = "user_profiles" in self._config.sources.configured()
        profiles = self._profiles(RAW_USER_PROFILES, configured=configured)
        index = IdIndex(self.histories[c.USER_ID].combine_chunks())
        return descriptions(profiles, c.USER_ID, index)

    def holdout(self) -> Holdout:
        """The holdout of the last `ranking.holdout_days`, of `ranking.most_users` at most."""
        return self._whole_holdout.drawn(self._config.ranking.most_users, self._config.seed)

    def judged(self) -> Ints:
        """Ascending rows of the users whom models of the holdout know: those of the holdout, and
        where lists are made together as great a share of who only met people in its days: without
        those who said no to all, a yes would look more likely than it is."""
        whole, drawn = self._whole_holdout.users, self.holdout().users
        if joint_step(self._config.lists.steps) is None or not len(whole):
            return drawn
        others = np.setdiff1d(matrices.met(self.histories), whole)
        count = round(len(others) * len(drawn) / len(whole))
        rng = np.random.default_rng(self._config.seed)
        return np.union1d(drawn, rng.choice(others, count, replace=False))

    def holdout_model(self, name: str) -> Model:
        """A generator as it was fitted for the holdout, of the users of the holdout alone."""
        rows = np.searchsorted(self.judged(), self.holdout().users)
        return read_model(self._lake, name, self._as_of, HOLDOUT_MODEL).of_users(rows)

    @cached_property
    def _whole_holdout(self) -> Holdout:
        days = self._config.ranking.holdout_days
        whole = matrices.holdout(self.histories, self.training, days)
        before = self._as_of - timedelta(days=days)
        return replace(whole, training=self._with_rates(whole.training, before))

    def _profiles(self, table: Table, *, configured: bool) -> pa.Table:
        """The usable profile documents in a fixed order; none where no source is configured."""
        if not configured:
            return table.arrow(self._config.ids).empty_table()
        read = self._lake.as_of(table.name, self._as_of).read(table, self._config.ids)
        read = read.filter(read[c.REJECT_REASON].is_null())
        keys = [(table.key[0], "ascending"), (c.TEXT, "ascending")]
        return read.take(pc.sort_indices(read, sort_keys=keys))


def histories(lake: Lake, as_of: AsOf, ids: Ids) -> pa.Table:
    """The `histories` table in order of user_row."""
    read = lake.as_of(HISTORIES.name, as_of).read(HISTORIES, ids)
    rows = read[c.USER_ROW].to_numpy()
    # Files come in the order of their parts; to sort what is sorted copies every history.
    return read if np.all(rows[1:] > rows[:-1]) else read.sort_by(c.USER_ROW)


def model_partition(lake: Lake, name: str, as_of: AsOf) -> Partition:
    """Partition of a model of an as-of."""
    return lake.as_of(f"{MODELS}/{name}", as_of)


def write_model(
    lake: Lake,
    name: str,
    as_of: AsOf,
    model: Model,
    facts: ModelFacts | None = None,
    kind: str = MODEL,
) -> None:
    """Keeps a generator's model as npz arrays. facts: but for the shapes of the arrays."""
    with model_partition(lake, kind.format(name), as_of).replace() as draft:
        arrays = model.arrays()
        draft.write_arrays(arrays)
        shapes = {key: array.shape for key, array in arrays.items()}
        (facts or ModelFacts()).model_copy(update={"shapes": shapes}).note(draft)


def read_model(lake: Lake, name: str, as_of: AsOf, kind: str = MODEL) -> Model:
    """Raises MissingPartitionError where the model was not trained for the as-of."""
    kept = model_partition(lake, kind.format(name), as_of)
    return GENERATORS[name].MODEL.from_arrays(kept.arrays())


def write_policy(lake: Lake, as_of: AsOf, choice: RankingPolicy, night: Night) -> None:
    """Keeps a ranking policy. night: the one it was chosen in."""
    with model_partition(lake, CHOICE, as_of).replace() as draft:
        draft.write_arrays({CHOICE: np.frombuffer(choice.model_dump_json().encode(), np.uint8)})
        draft.stats |= choice.model_dump(mode="json", exclude=_LONG)
        MadeFacts(night=night).note(draft)


def read_policy(lake: Lake, as_of: AsOf) -> RankingPolicy:
    """Raises MissingPartitionError where nothing was chosen for the as-of."""
    text = model_partition(lake, CHOICE, as_of).arrays()[CHOICE].tobytes()
    return RankingPolicy.model_validate_json(text)


def descriptions(profiles: pa.Table, id_column: str, index: IdIndex) -> Descriptions:
    """The profiles in the order of an index; several of one id add up, those of others fall out."""
    if not len(profiles):
        return Descriptions.blank(len(index))
    rows = index.rows(profiles[id_column]).to_pylist()
    text = [""] * len(index)
    tags: list[list[str]] = [[] for _ in range(len(index))]
    attributes: list[list[str]] = [[] for _ in range(len(index))]
    for row, profile in zip(rows, profiles.to_pylist(), strict=True):
        if row is not None:
            text[row] = f"{text[row]}\n{profile[c.TEXT]}"
            tags[row] += profile[c.TAGS]
            attributes[row] += profile[c.ATTRIBUTES]
    return Descriptions(text, tags, attributes)
