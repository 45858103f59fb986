"""The lake in notebooks: lists, histories, vectors and figures of a date, and tries of generators.

    from jobs.notebook import open_lake

    lake = open_lake()                    # RECSYS_LAKE and RECSYS_CONFIG, or name both
    night = lake.night("2026-01-01")      # without a date, the last one
    night.lists().pandas()                # or .arrow(), .polars(), .duckdb()

Everything is read by manifests and compared with their checksums. A glob over the Parquet files
would also read what a killed or repeated task has left beside them. Nothing is written, and no
server is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.fitting import fit_generator
from jobs.lake.facts import HistoriesFacts, ListsFacts
from jobs.run.entrypoint import RunArguments, lake_of
from jobs.run.settings import lake_path, load_config, load_settings
from jobs.stores.models import TrainingData, read_model, read_policy
from jobs.stores.population import active_users, activity, available_items
from jobs.stores.tunings import with_night_tuning
from jobs.tuning.measure import Measure
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.dataset.training import Holdout, Training
from recsys.errors import DataError, MissingPartitionError, PrerequisiteError
from recsys.evaluation.diff import Difference
from recsys.evaluation.significance import mean_intervals
from recsys.generators.contract import Model
from recsys.generators.factors import FactorModel, Factors
from recsys.schemas import FALLBACK, HISTORIES, ITEMS, LISTS, Table

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

_FLAT: Final[Mapping[str, str]] = {
    c.ITEM_IDS: c.ITEM_ID,
    c.SCORES: "score",
    c.SOURCES: c.SOURCE,
    c.PROPENSITIES: "propensity",
    c.WEIGHTS: "weight",
    c.AGES: "age_days",
    c.LAST_AGES: "last_age_days",
}
"""Names of the lists of a row, where each entry is a row of its own."""


@dataclass(frozen=True, repr=False)
class Rows:
    """A table in memory, in the form that a notebook likes best."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"{len(self):,} rows of {', '.join(self.table.column_names)}"

    def arrow(self) -> pa.Table:
        """The rows as Arrow."""
        return self.table

    def pandas(self) -> "pd.DataFrame":
        """The rows as pandas."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def polars(self) -> "pl.DataFrame":
        """The rows as Polars."""
        frame: pl.DataFrame = _optional("polars").from_arrow(self.table)
        return frame

    def duckdb(self) -> "duckdb.DuckDBPyRelation":
        """The rows as a relation of DuckDB, which can be queried in SQL."""
        relation: duckdb.DuckDBPyRelation = _optional("duckdb").from_arrow(self.table)
        return relation


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise PrerequisiteError(f"{name} is not installed; pip install 'recsys[{name}]'") from error


def open_lake(lake: str | Path | None = None, config: str | Path | None = None) -> "OpenLake":
    """Open a lake to read it.

    lake: a folder or a URI such as s3://bucket/lake. config: the `recsys.toml` that its nights were
    made with. Each defaults to what the environment says.
    """
    settings = load_settings()
    if lake is not None:
        settings = settings.model_copy(update={"lake": lake_path(str(lake))})
    parsed = load_config(None if config is None else Path(config))
    # Not read, since no source is.
    at = AsOf.parse("2000-01-01")
    return OpenLake(RunArguments(at, parsed, settings, at.instant))


@dataclass(frozen=True)
class OpenLake:
    """A lake, and the configuration that its nights were made with."""

    _arguments: RunArguments

    @property
    def dates(self) -> Sequence[AsOf]:
        """The as-ofs that have lists, in order."""
        return self._arguments.lake.instants(LISTS.name)

    def night(self, as_of: str | AsOf | None = None) -> "Night":
        """What the lake has of an as-of; without one, of the last that has lists.

        Raises MissingPartitionError where the lake has no lists of it.
        """
        dates = self.dates
        wanted = AsOf.parse(as_of) if isinstance(as_of, str) else as_of
        if not dates or (wanted or dates[-1]) not in dates:
            there = f"from {dates[0]} to {dates[-1]}" if dates else "none"
            raise MissingPartitionError(
                f"lists as of {wanted or 'any date'} are not in the lake "
                f"{lake_of(self._arguments.settings).root}; there are {there}"
            )
        return Night(replace(self._arguments, as_of=wanted or dates[-1]))

    def diff(self, before: str | AsOf, after: str | AsOf) -> "NightDiff":
        """What the lists of one as-of change against those of another."""
        return NightDiff(self.night(before), self.night(after))


@dataclass(frozen=True)
class Night:
    """What the lake has of one as-of."""

    arguments: RunArguments

    @property
    def as_of(self) -> AsOf:
        return self.arguments.as_of

    def lists(self) -> Rows:
        """Every place of every list: user_id, rank, item_id, title, score, source, propensity."""
        kept = self.read(LISTS)
        rows = _flattened(kept, (c.ITEM_IDS, c.SCORES, c.SOURCES, c.PROPENSITIES), rank=True)
        facts = ListsFacts.of(self.arguments.lake.as_of(LISTS.name, self.as_of))
        names = pa.array(facts.models, pa.string()).take(rows[c.SOURCE].combine_chunks())
        return Rows(self._titled(_replaced(rows, c.SOURCE, names)))

    def fallback(self) -> Rows:
        """Every place of the lists for users without their own: segment, rank, item_id, title,
        score."""
        rows = _flattened(self.read(FALLBACK), (c.ITEM_IDS, c.SCORES), rank=True)
        return Rows(self._titled(rows))

    def histories(self) -> Rows:
        """Every cell of the user-item matrix: user_id, item_id, weight, and days since the first
        and the last event."""
        rows = _flattened(self._known.histories, (c.ITEM_ROWS, c.WEIGHTS, c.AGES, c.LAST_AGES))
        ids = self._known.items[c.ITEM_ID].combine_chunks().take(rows[c.ITEM_ROWS].combine_chunks())
        named = _replaced(rows, c.ITEM_ROWS, ids)
        return Rows(named.rename_columns({c.ITEM_ROWS: c.ITEM_ID}))

    def items(self) -> Rows:
        """Every item: item_row, item_id, title, available."""
        return Rows(self._known.items)

    def users(self) -> Rows:
        """Every user that is known: user_row, user_id, active, and touched, the number of items."""
        known = self._known.histories
        touched = pc.list_value_length(known[c.ITEM_ROWS])
        return Rows(
            known.select([c.USER_ROW, c.USER_ID, c.ACTIVE]).append_column("touched", touched)
        )

    def item_vectors(self, generator: str = "als") -> Rows:
        """The vector of each item: item_id, vector. A user's score of it is the inner product."""
        return _vectors(self._known.items, c.ITEM_ID, self._factors(generator).item_factors)

    def user_vectors(self, generator: str = "als") -> Rows:
        """The vector of each user: user_id, vector; zeros where the generator knows nothing."""
        return _vectors(self._known.histories, c.USER_ID, self._factors(generator).user_factors)

    def model(self, generator: str) -> Model:
        """A generator as it was fitted; its rows are those of `users` and `items`."""
        return read_model(self.arguments.lake, generator, self.as_of)

    def metrics(self) -> Rows:
        """Figures: name, value, band, label, and low and high bound (95 %) where they are known.

        `ndcg` is NDCG@20 on the holdout of what orders the lists, in all and by band; `ndcg_of` is
        that of each way that was measured, its label. `recs.run_metric` has those of runs.
        """
        return Rows(pa.Table.from_pylist([*self._quality(), *self._sizes()], _METRICS))

    def trial(self) -> "Trial":
        """Ground to try generators on: what was known `ranking.holdout_days` before, and what users
        turned to since. The ranking of the night was chosen on it too."""
        arguments = with_night_tuning(self.arguments)
        return Trial(arguments, self._known.holdout(), self._known.available)

    def read(self, table: Table) -> pa.Table:
        """A table of `recsys.schemas` as it is kept."""
        partition = self.arguments.lake.as_of(table.name, self.as_of)
        return partition.read(table, self.arguments.config.ids)

    @cached_property
    def _known(self) -> TrainingData:
        return TrainingData(self.arguments)

    def _factors(self, generator: str) -> FactorModel:
        model = self.model(generator)
        if not isinstance(model, FactorModel):
            raise DataError(f"{generator} scores without vectors; als has some")
        return model

    def _titled(self, rows: pa.Table) -> pa.Table:
        items = self._known.items
        places = pc.index_in(rows[c.ITEM_ID], value_set=items[c.ITEM_ID].combine_chunks())
        titles = items[c.TITLE].combine_chunks().take(places.combine_chunks())
        return rows.add_column(rows.schema.get_field_index(c.ITEM_ID) + 1, c.TITLE, titles)

    def _quality(self) -> Iterable[Mapping[str, Any]]:
        return map(asdict, read_policy(self.arguments.lake, self.as_of).metrics())

    def _sizes(self) -> Iterable[Mapping[str, Any]]:
        lake = self.arguments.lake
        lists, histories, items = (
            lake.as_of(table.name, self.as_of) for table in (LISTS, HISTORIES, ITEMS)
        )
        sizes = {
            "lists": lists.manifest().rows,
            "active_users": active_users(lake, self.as_of, self.arguments.config),
            "users": histories.manifest().rows,
            "items": items.manifest().rows,
            "available_items": available_items(lake, self.as_of),
            **HistoriesFacts.of(histories).model_dump(),
        }
        return ({"name": name, "value": value} for name, value in sizes.items())


@dataclass(frozen=True)
class NightDiff:
    """What the lists of one as-of change against those of another, as the audit sees it."""

    before: Night
    after: Night

    def figures(self) -> Rows:
        """Figures over all users: figure, value. The audit has the same of two runs."""
        arguments = self.after.arguments
        lake, as_of, config = arguments.lake, arguments.as_of, arguments.config
        found = self._difference.comparison(
            available_items(lake, as_of), active_users(lake, as_of, config)
        ).as_dict()
        return Rows(pa.table({"figure": list(found), "value": _floats(found.values())}))

    def bands(self) -> Rows:
        """Figures of the users of each band: band, users_before, …, overlap, rbo, churn."""
        arguments = self.after.arguments
        groups = activity(arguments.lake, arguments.as_of, arguments.config)
        found = self._difference.by_group(groups)
        rows = [{"band": band, **change.as_dict()} for band, change in found.items()]
        return Rows(pa.Table.from_pylist(rows))

    def items(self, n: int = 20) -> Rows:
        """The n items that gain the most exposure and the n that lose the most: item_id, title,
        before, after, gain, as shares of all exposure."""
        gained, lost = self._difference.movers(n)
        moved = [asdict(each) | {"gain": each.gain} for each in (*gained, *reversed(lost))]
        ids = self.after.items().table[c.ITEM_ID].type
        shares = [pa.field(name, pa.float64()) for name in ("before", "after", "gain")]
        rows = pa.Table.from_pylist(moved, pa.schema([pa.field(c.ITEM_ID, ids), *shares]))
        return Rows(self.after._titled(rows))  # noqa: SLF001

    @cached_property
    def _difference(self) -> Difference:
        gates = self.after.arguments.config.gates
        before, after = (night.read(LISTS) for night in (self.before, self.after))
        return Difference.between(before, after, depth=gates.depth, persistence=gates.persistence)


@dataclass(frozen=True)
class Trial:
    """Ground to try generators on."""

    _arguments: RunArguments
    holdout: Holdout
    available: np.ndarray
    """Ascending rows of the items that may be recommended."""

    @property
    def training(self) -> Training:
        """What was known before the holdout, for a generator to be fitted to."""
        return self.holdout.training

    def fit(self, generator: str) -> Model:
        """One of ours, with the parameters of the night."""
        config = self._arguments.config
        section = config.generators.section(generator)
        settings = self._arguments.settings
        return fit_generator(
            generator, self.training, section, config.seed, settings, explained=False
        )

    def compare(self, models: Mapping[str, Model]) -> Rows:
        """NDCG@20 of each model's own lists: model, ndcg, low and high bound (95 %), users.

        The best is first. Users get nothing that they had touched before.
        """
        config = self._arguments.config
        most, seed = config.ranking.most_users, config.seed
        measure = Measure.of(self.holdout, self.training.history, self.available, most, seed)
        values = {name: measure.ndcg(model) for name, model in models.items()}
        rows = [
            {"model": name, "ndcg": each.estimate, "low": each.low, "high": each.high}
            for name, each in mean_intervals(values, seed).items()
            if each is not None
        ]
        found = pa.Table.from_pylist(rows).sort_by([("ndcg", "descending"), ("model", "ascending")])
        users = pa.array([len(measure.users)] * len(rows), pa.int64())
        return Rows(found.append_column("users", users))


_METRICS: Final = pa.schema(
    {
        "name": pa.string(),
        "value": pa.float64(),
        "band": pa.string(),
        "label": pa.string(),
        "low": pa.float64(),
        "high": pa.float64(),
    }
)


def _flattened(table: pa.Table, lists: Sequence[str], *, rank: bool = False) -> pa.Table:
    """A row for each entry of list columns that are equally long, behind the column of the key."""
    key = c.SEGMENT if c.SEGMENT in table.column_names else c.USER_ID
    kept = table.combine_chunks()
    lengths = pc.list_value_length(kept[lists[0]]).to_numpy()
    lines = np.repeat(np.arange(len(lengths)), lengths)
    columns = {key: kept[key].take(pa.array(lines))}
    if rank:
        starts = np.cumsum(lengths) - lengths
        columns["rank"] = pa.array(np.arange(len(lines)) - starts[lines] + 1)
    columns |= {_FLAT.get(name, name): pc.list_flatten(kept[name]) for name in lists}
    return pa.table(columns)


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _vectors(table: pa.Table, id_column: str, factors: Factors) -> Rows:
    """factors: (rows of the table, k)."""
    flat = pa.array(np.ascontiguousarray(factors, np.float32).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, factors.shape[1])
    return Rows(pa.table({id_column: table[id_column], "vector": vectors}))


def _floats(values: Iterable[float | None]) -> pa.Array:
    return pa.array([None if value is None else float(value) for value in values], pa.float64())
