"""Item vectors of an earlier run, for a fit that need not begin anew."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from jobs.entrypoint import RunArguments
from jobs.io.contracts import days
from jobs.io.features import MODELS, Known, read_model
from recsys import columns as c
from recsys.ids import IdIndex
from recsys.models import als
from recsys.models.factors import FactorModel, Factors
from recsys.schemas import ITEMS


@dataclass(frozen=True)
class WarmStart:
    """Where a fit begins."""

    as_of: date
    """The run that the vectors are from."""
    item_factors: Factors
    """(items, k) in the order of today's item index; zeros for items that run did not know."""


def warm_start(arguments: RunArguments, known: Known) -> WarmStart | None:
    """The latest earlier item vectors; None where the configuration or the lake has none.

    Vectors of another length than configured are none.
    """
    section = arguments.config.generators.used().get("als")
    if not isinstance(section, als.Config) or not section.warm_iterations:
        return None
    if section.engine != "implicit":
        return None
    lake, ids = arguments.lake, arguments.config.ids
    for day in reversed([d for d in days(lake, f"{MODELS}/als") if d < arguments.as_of]):
        model = read_model(lake, "als", day)
        if isinstance(model, FactorModel) and model.item_factors.shape[1] == section.factors:
            theirs = IdIndex(
                lake.as_of(ITEMS.name, day).read(ITEMS, ids)[c.ITEM_ID].combine_chunks()
            )
            return WarmStart(day, _aligned(model.item_factors, theirs, known))
    return None


def _aligned(factors: Factors, theirs: IdIndex, known: Known) -> Factors:
    rows = theirs.rows(known.items[c.ITEM_ID]).to_numpy(zero_copy_only=False)
    found = ~np.isnan(rows.astype(np.float64))
    aligned = np.zeros((len(rows), factors.shape[1]), np.float32)
    aligned[found] = factors[rows[found].astype(np.int64)]
    return aligned
