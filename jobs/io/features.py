"""What models are trained on and with, out of the lake."""

from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from jobs.io.lake import Lake, Partition
from recsys import columns as c
from recsys.config import Ids
from recsys.ids import IdIndex
from recsys.interactions.matrices import weight_matrix
from recsys.models.content import Descriptions
from recsys.models.factors import FactorModel
from recsys.schemas import INTERACTIONS, ITEMS, Table

MODELS: Final = "models"


def training_matrix(lake: Lake, as_of: date, ids: Ids) -> sparse.csr_matrix:
    """(users, items) float32 weights as of a date."""
    items = lake.as_of(ITEMS.name, as_of).manifest().rows
    return weight_matrix(interactions(lake, as_of, ids), items)


def interactions(lake: Lake, as_of: date, ids: Ids) -> pa.Table:
    """The `interactions` table in order of user_row."""
    read = lake.as_of(INTERACTIONS.name, as_of).read(INTERACTIONS, ids)
    return read.sort_by(c.USER_ROW)


def model_partition(lake: Lake, name: str, as_of: date) -> Partition:
    """Where a model of a date is kept."""
    return lake.as_of(f"{MODELS}/{name}", as_of)


def write_model(lake: Lake, name: str, as_of: date, model: FactorModel) -> None:
    """Keeps a model as npz arrays."""
    with model_partition(lake, name, as_of).replace() as draft:
        draft.write_arrays(model.arrays())
        draft.stats["factors"] = int(model.item_factors.shape[1])


def read_model(lake: Lake, name: str, as_of: date) -> FactorModel:
    """Raises MissingPartitionError where the model was not trained for the date."""
    return FactorModel.from_arrays(model_partition(lake, name, as_of).arrays())


def descriptions(profiles: pa.Table, id_column: str, index: IdIndex) -> Descriptions:
    """The profiles in the order of an index; several of one id add up, those of others fall out."""
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


def read_profiles(lake: Lake, table: Table, as_of: date, ids: Ids, *, configured: bool) -> pa.Table:
    """The profile documents of a date, in a fixed order; none where no source is configured."""
    if not configured:
        return table.arrow(ids).empty_table()
    read = lake.as_of(table.name, as_of).read(table, ids)
    keys = [(table.key[0], "ascending"), (c.TEXT, "ascending")]
    return read.take(pc.sort_indices(read, sort_keys=keys))
