"""What models are trained on and with, out of the lake."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.lake.partitions import Lake, Partition
from jobs.run.entrypoint import RunArguments
from recsys import columns as c
from recsys.arrays import Ints
from recsys.dataset import matrices
from recsys.dataset.training import Descriptions, Holdout, Training
from recsys.errors import NoEventsError
from recsys.generators.contract import Model
from recsys.generators.registry import GENERATORS
from recsys.ids import IdIndex
from recsys.lists.fallback import segments_of, why_no_segment
from recsys.ranking.policy import RankingPolicy
from recsys.schemas import HISTORIES, ITEMS, RAW_ITEM_PROFILES, RAW_USER_PROFILES, Table
from recsys.sections.ids import Ids

MODELS: Final = "models"
CHOICE: Final = "choice"


class TrainingData:
    """The tables of a date that models are trained on, each read when it is asked for."""

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
        """What models may learn from.

        Raises NoEventsError where nothing weighs more than 0: lists would be in the order of ids.
        """
        configured = self._config.sources.item_profiles is not None
        profiles = self._profiles(RAW_ITEM_PROFILES, configured=configured)
        index = IdIndex(self.items[c.ITEM_ID].combine_chunks())
        items = descriptions(profiles, c.ITEM_ID, index)
        made = matrices.training(self.histories, items, self._users, self.segments[0])
        if not (made.history.data > 0).any():
            raise NoEventsError(
                f"no entry of the matrix as of {self._as_of} has a weight above 0, and lists would "
                "be in the order of ids; see the weights and half-lives under [events], and in "
                "which unit the sources keep times"
            )
        return made

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
        configured = self._config.sources.user_profiles is not None
        profiles = self._profiles(RAW_USER_PROFILES, configured=configured)
        index = IdIndex(self.histories[c.USER_ID].combine_chunks())
        return descriptions(profiles, c.USER_ID, index)

    def holdout(self) -> Holdout:
        """What was known `ranking.holdout_days` earlier, and what users turned to since."""
        days = self._config.ranking.holdout_days
        return matrices.holdout(self.histories, self.training, days)

    def _profiles(self, table: Table, *, configured: bool) -> pa.Table:
        """The usable profile documents in a fixed order; none where no source is configured."""
        if not configured:
            return table.arrow(self._config.ids).empty_table()
        read = self._lake.as_of(table.name, self._as_of).read(table, self._config.ids)
        read = read.filter(read[c.REJECT_REASON].is_null())
        keys = [(table.key[0], "ascending"), (c.TEXT, "ascending")]
        return read.take(pc.sort_indices(read, sort_keys=keys))


def histories(lake: Lake, as_of: date, ids: Ids) -> pa.Table:
    """The `histories` table in order of user_row."""
    read = lake.as_of(HISTORIES.name, as_of).read(HISTORIES, ids)
    rows = read[c.USER_ROW].to_numpy()
    # Files come in the order of their parts; to sort what is sorted copies every history.
    return read if np.all(rows[1:] > rows[:-1]) else read.sort_by(c.USER_ROW)


def model_partition(lake: Lake, name: str, as_of: date) -> Partition:
    """Where a model of a date is kept."""
    return lake.as_of(f"{MODELS}/{name}", as_of)


def write_model(
    lake: Lake, name: str, as_of: date, model: Model, facts: Mapping[str, Any] | None = None
) -> None:
    """Keeps a model as npz arrays. facts: what its manifest says of it besides."""
    with model_partition(lake, name, as_of).replace() as draft:
        arrays = model.arrays()
        draft.write_arrays(arrays)
        draft.stats["shapes"] = {key: list(array.shape) for key, array in arrays.items()}
        draft.stats |= facts or {}


def read_model(lake: Lake, name: str, as_of: date) -> Model:
    """Raises MissingPartitionError where the model was not trained for the date."""
    return GENERATORS[name].MODEL.from_arrays(model_partition(lake, name, as_of).arrays())


def write_policy(lake: Lake, as_of: date, choice: RankingPolicy, facts: Mapping[str, Any]) -> None:
    """Keeps how lists are ordered, and why. facts: what its manifest says of it besides."""
    with model_partition(lake, CHOICE, as_of).replace() as draft:
        draft.write_arrays({CHOICE: np.frombuffer(choice.model_dump_json().encode(), np.uint8)})
        draft.stats |= {**choice.model_dump(mode="json", exclude={"rankers"}), **facts}


def read_policy(lake: Lake, as_of: date) -> RankingPolicy:
    """Raises MissingPartitionError where nothing was chosen for the date."""
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
