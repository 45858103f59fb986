"""The user-item matrix: an Arrow list column is already one in compressed rows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from recsys import columns as c


def weight_matrix(interactions: pa.Table, items: int) -> sparse.csr_matrix:
    """(users, items) float32; a cell is the decayed weight of what the user did with the item.

    interactions: the `interactions` table in order of user_row. Items that were only seen, with
    weight 0, are not stored.
    """
    offsets, rows = list_arrays(interactions[c.ITEM_ROWS])
    _, weights = list_arrays(interactions[c.WEIGHTS])
    shape = (interactions.num_rows, items)
    matrix = sparse.csr_matrix((weights, rows, offsets), shape=shape, dtype=np.float32, copy=True)
    matrix.eliminate_zeros()
    return matrix


def list_arrays(
    column: pa.Array | pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
    """Offsets (n + 1,) from 0 and flat values of a list column without nulls."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    offsets = lists.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    return offsets - offsets[0], lists.flatten().to_numpy(zero_copy_only=False)
