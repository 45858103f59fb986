"""Public data sets of ../shared/data, each split by the protocol of its README."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sandbox.importers.deskdrop import read_deskdrop
from jobs.sandbox.importers.goodbooks import read_goodbooks
from jobs.sandbox.importers.movielens import read_movielens
from jobs.sandbox.market import Market
from jobs.sandbox.seed import make_market
from jobs.sources.documents import Document
from jobs.sources.pair_files import read_ids, read_numbered
from jobs.stores.models import descriptions
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.dataset.training import Descriptions
from recsys.dataset.trial import DataSet
from recsys.evaluation.splits import Pairs, Split, at_quantile, given, random_per_user
from recsys.ids import IdIndex

REPOSITORY: Final = Path(__file__).parents[2]
DATA: Final = REPOSITORY.parent / "shared" / "data"
SEED: Final = 20260101


class PublicSet(NamedTuple):
    """A data set that is split."""

    data: DataSet
    split: Split
    label: str
    """How the split is called in reports."""


def amazon_cds(config: Config) -> PublicSet:  # noqa: ARG001
    """The published split."""
    folder = DATA / "amazon-cds"
    files = [folder / "train.parquet", folder / "test.parquet"]
    users, items = (read_ids(files, role) for role in ("user", "item"))
    train, test = (read_numbered(file, users, items) for file in files)
    blank = Descriptions.blank(len(users)), Descriptions.blank(len(items))
    return PublicSet(DataSet(train, *blank, _nobody(users)), given(train, test), "given")


def deskdrop(config: Config) -> PublicSet:
    """Every event by its configured weight; split by time."""
    data = _data(read_deskdrop(DATA / "deskdrop" / "users_interactions.csv.gz"), config)
    return PublicSet(data, at_quantile(data.pairs), "temporal")


def movielens(config: Config) -> PublicSet:
    """Ratings of 4 and more; split by time."""
    data = _data(read_movielens(DATA / "ml-latest-small"), config, least=4.0)
    return PublicSet(data, at_quantile(data.pairs), "temporal")


def goodbooks(config: Config) -> PublicSet:
    """A fifth of the books of each reader, at random."""
    data = _data(read_goodbooks(DATA / "goodbooks", AsOf.parse("2017-01-01").instant), config)
    pairs = Pairs(data.pairs.user_rows, data.pairs.item_rows, data.pairs.weights, None)
    data = DataSet(pairs, data.users, data.items, data.segments)
    return PublicSet(data, random_per_user(pairs, 0.2, SEED, 5), "random")


def planted(config: Config) -> PublicSet:
    """The market of `make demo`, where new members have profiles; split by time."""
    market = make_market(2_000, 800, 60, 60_000, SEED, AsOf.parse("2026-01-01"))
    data = _data(market, config)
    return PublicSet(data, at_quantile(data.pairs), "temporal")


SETS: Final[dict[str, Callable[[Config], PublicSet]]] = {
    "amazon-cds": amazon_cds,
    "deskdrop": deskdrop,
    "ml-latest-small": movielens,
    "goodbooks": goodbooks,
    "planted": planted,
}


def _nobody(users: IdIndex) -> npt.NDArray[np.int32]:
    """No user has a segment."""
    return np.full(len(users), -1, np.int32)


def _data(market: Market, config: Config, least: float | None = None) -> DataSet:
    """The market's events as pairs; ratings below `least` are left out."""
    parts = [(market.interactions, "kind", "created_at"), (market.events, "type", "ts")]
    columns = [_columns(table, kind, time) for table, kind, time in parts if table.num_rows]
    rows = _usable(pa.concat_tables(columns), market, config)
    if least is not None:
        rows = rows.filter(pc.greater_equal(rows["value"], least))
    users, items = (IdIndex.build(rows[name], "bigint") for name in ("user_id", "item_id"))
    kinds = rows["kind"].to_pylist()
    weights = np.array([config.events[kind].weight for kind in kinds], np.float32)
    pairs = Pairs(
        users.rows(rows["user_id"]).to_numpy().astype(np.int64),
        items.rows(rows["item_id"]).to_numpy().astype(np.int64),
        weights,
        rows["time"].cast(pa.int64()).to_numpy(),
    )
    return DataSet(
        pairs,
        descriptions(_profiles(market.user_profiles, "user_id"), "id", users),
        descriptions(_profiles(market.item_profiles, "item_id"), "id", items),
        _nobody(users),
    )


def _usable(rows: pa.Table, market: Market, config: Config) -> pa.Table:
    """Without the rows that a night would quarantine."""
    end = pa.scalar(market.as_of.instant)
    dated = pc.and_(pc.is_valid(rows["time"]), pc.less(rows["time"], end))
    known = pc.is_in(rows["kind"], value_set=pa.array(list(config.events)))
    finite = pc.fill_null(pc.is_finite(rows["value"]), True)
    usable = pc.and_(pc.and_(dated, known), finite)
    for name in ("user_id", "item_id"):
        usable = pc.and_(usable, pc.is_valid(rows[name]))
    return rows.filter(usable)


_PROFILE: Final = pa.schema(
    {
        "id": pa.int64(),
        "text": pa.string(),
        "tags": pa.list_(pa.string()),
        "attributes": pa.list_(pa.string()),
    }
)


def _profiles(documents: Sequence[Document], key: str) -> pa.Table:
    rows = [_profile(document, key) for document in documents]
    return pa.Table.from_pylist(rows, _PROFILE)


def _profile(document: Document, key: str) -> dict[str, object]:
    attributes = document.get("attributes") or {}
    assert isinstance(attributes, dict)
    return {
        "id": document[key],
        "text": f"{document.get('title') or ''}\n{document.get('text') or ''}",
        "tags": document.get("tags") or [],
        "attributes": [f"{name}={value}" for name, value in attributes.items()],
    }


def _columns(table: pa.Table, kind: str, time: str) -> pa.Table:
    value = table["value"] if "value" in table.column_names else pa.nulls(len(table), pa.float64())
    names = ["user_id", "item_id", "kind", "time", "value"]
    return pa.table([*(table[n] for n in ("user_id", "item_id", kind, time)), value], names=names)
