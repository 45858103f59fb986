"""ALS of `implicit` in which rows take their steps some at a time.

`implicit` multiplies Y'Y with one row after the other, and calls BLAS twice a cell. A product with
many rows and a loop over each row's vectors come to the same in 0.3 to 0.6 of the time (decision
86). A module of its own because importing `implicit` takes a second.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse

from recsys.generators.factors import Factors
from recsys.generators.gram import blocks
from recsys.generators.loops import move_rows

_Solve = Callable[..., None]
"""(confidence, rows, columns, regularization, num_threads): betters the rows' vectors in place."""


class BlockALS(AlternatingLeastSquares):  # type: ignore[misc] # implicit has no types
    """`implicit`'s model, trained to the same vectors but for rounding. Confidence is at least 1.

    The vectors do not depend on the number of threads where BLAS is held to one.
    """

    @property
    def solver(self) -> _Solve:
        return partial(_solve, steps=self.cg_steps)


def _solve(
    confidence: sparse.csr_matrix,
    rows: Factors,
    columns: Factors,
    regularization: float,
    num_threads: int = 0,
    *,
    steps: int,
) -> None:
    """Better the vectors of rows, given those of columns, by some steps each."""
    everybody = columns.T @ columns + regularization * np.eye(columns.shape[1], dtype=columns.dtype)

    def move(some: range) -> None:
        offsets = confidence.indptr[some.start : some.stop + 1]
        cells = (offsets, confidence.indices, confidence.data)
        move_rows(rows[some.start : some.stop], *cells, columns, everybody, steps)

    with ThreadPoolExecutor(num_threads or pa.cpu_count()) as threads:
        list(threads.map(move, blocks(len(rows))))
