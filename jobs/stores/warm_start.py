"""Item vectors of an earlier run, for a fit that need not begin anew."""

from dataclasses import dataclass

from jobs.run.entrypoint import RunArguments
from jobs.stores.models import MODELS, TrainingData, read_model
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.dataset.changes import aligned_rows
from recsys.generators import als
from recsys.generators.factors import FactorModel, Factors
from recsys.ids import IdIndex
from recsys.schemas import ITEMS


@dataclass(frozen=True)
class WarmStart:
    """Starting point of a fit."""

    as_of: AsOf
    """The run that the vectors are from."""
    item_factors: Factors
    """(items, k) in the order of today's item index; zeros for items that run did not know."""
    iterations: int
    """Passes from there."""


def warm_start(arguments: RunArguments, known: TrainingData) -> WarmStart | None:
    """The latest earlier item vectors; None where the configuration or the lake has none,
    or a full night is asked for: backfilled dates run in any order.

    Vectors of another length than configured are none.
    """
    iterations = arguments.config.nights.warm_iterations
    section = arguments.config.generators.used().get("als")
    if not iterations or arguments.full or not isinstance(section, als.Config):
        return None
    if section.engine != "implicit":
        return None
    lake, ids = arguments.lake, arguments.config.ids
    for at in reversed(
        [other for other in lake.instants(f"{MODELS}/als") if other < arguments.as_of]
    ):
        model = read_model(lake, "als", at)
        if isinstance(model, FactorModel) and model.item_factors.shape[1] == section.factors:
            theirs = lake.as_of(ITEMS.name, at).read(ITEMS, ids)[c.ITEM_ID]
            earlier = IdIndex(theirs.combine_chunks()).places(known.items[c.ITEM_ID])
            return WarmStart(at, aligned_rows(model.item_factors, earlier), iterations)
    return None
