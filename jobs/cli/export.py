"""`recsys export-pairs`: what the lake knows of users and items, as one file of pairs."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer

from jobs.cli.as_of import as_of_option
from jobs.run.entrypoint import lake_of
from jobs.run.settings import load_config, load_settings
from jobs.stores.models import histories
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import PrerequisiteError
from recsys.schemas import ITEMS, TIMESTAMP

_MICROSECONDS_A_DAY = 86_400_000_000


def export_pairs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The Parquet file to write.")],
    as_of: Annotated[AsOf, as_of_option("As-of whose matrix is in the lake.")],
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Write the matrix as of an instant as a file of pairs, for `recsys evaluate`.

    Columns: user, item, weight (decayed up to then; pairs of weight 0 are left out)
    and timestamp (the user's first event with the item).

    Example: recsys export-pairs --as-of 2026-01-01 pairs.parquet
    """
    lake, ids = lake_of(load_settings()), load_config(config).ids
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, ids)
    pairs = pairs_of(histories(lake, as_of, ids), items[c.ITEM_ID], as_of)
    try:
        pq.write_table(pairs, file)
    except OSError as error:
        raise PrerequisiteError(
            f"{file}: cannot be written ({error.strerror or error}); name another place"
        ) from None
    typer.echo(f"{pairs.num_rows} pairs written to {file}")


def pairs_of(matrix: pa.Table, item_ids: pa.ChunkedArray, as_of: AsOf) -> pa.Table:
    """A row for each entry with a weight above 0: user, item, weight and timestamp.

    matrix: the `histories` table. item_ids: the id of each item row.
    """
    matrix = matrix.combine_chunks()
    owners = pc.list_parent_indices(matrix[c.WEIGHTS])
    ages = pc.list_flatten(matrix[c.AGES]).to_numpy().astype(np.float64)
    end = int(as_of.instant.timestamp() * 1_000_000)
    times = end - np.round(ages * _MICROSECONDS_A_DAY).astype(np.int64)
    pairs = pa.table(
        {
            "user": matrix[c.USER_ID].take(owners),
            "item": item_ids.take(pc.list_flatten(matrix[c.ITEM_ROWS])),
            "weight": pc.list_flatten(matrix[c.WEIGHTS]),
            "timestamp": pa.array(times).cast(TIMESTAMP),
        }
    )
    return pairs.filter(pc.greater(pairs["weight"], 0))
