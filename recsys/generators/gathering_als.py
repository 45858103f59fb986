"""ALS of `implicit` in which rows of very many cells are solved from a copy of what they need.

For a row `implicit` passes four times over the vectors of its cells, wherever these lie. When all
vectors together outgrow the processor's cache, each pass waits for memory: an item's step costs
64 ns a cell with 50,000 users and 117 ns with 200,000. Copied side by side, they are waited for
once. A module of its own because importing `implicit` takes a second.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse

from recsys.generators.factors import Factors

LONG: Final = 2048
"""Cells from which on a row is solved here. With fewer, calling NumPy costs more than waiting."""
_SOLVED: Final = 1e-20
"""Squared length of the residual at which `implicit` takes a row as solved."""

_Solve = Callable[..., None]
"""(confidence, rows, columns, regularization, num_threads): betters the rows' vectors in place."""


class GatheringALS(AlternatingLeastSquares):  # type: ignore[misc] # implicit has no types
    """`implicit`'s model, trained to the same vectors but for rounding. Confidence is at least 1.

    The vectors do not depend on the number of threads where BLAS is held to one.
    """

    @property
    def solver(self) -> _Solve:
        return _Solver(super().solver, self.cg_steps)


@dataclass(frozen=True)
class _Parts:
    short: sparse.csr_matrix
    """All rows, the long ones empty."""
    long: np.ndarray
    """The long rows, longest first, so that no thread is left alone with the longest."""


class _Solver:
    def __init__(self, solve: _Solve, steps: int) -> None:
        self._solve = solve
        self._steps = steps
        self._parts: dict[int, _Parts] = {}
        """By the identity of a matrix: a fit hands over the same two in turn."""

    def __call__(
        self,
        confidence: sparse.csr_matrix,
        rows: Factors,
        columns: Factors,
        regularization: float,
        num_threads: int = 0,
    ) -> None:
        if id(confidence) not in self._parts:
            self._parts[id(confidence)] = _parted(confidence)
        parts = self._parts[id(confidence)]
        begun = rows[parts.long]
        self._solve(parts.short, rows, columns, regularization, num_threads=num_threads)
        if not len(parts.long):
            return
        gram = columns.T @ columns + regularization * np.eye(columns.shape[1], dtype=columns.dtype)
        most = int(np.diff(confidence.indptr).max())
        own = threading.local()

        def solve(start: np.ndarray, row: int) -> None:
            if not hasattr(own, "room"):
                own.room = np.empty((most, columns.shape[1]), columns.dtype)
            cells = slice(confidence.indptr[row], confidence.indptr[row + 1])
            places = confidence.indices[cells]
            # mode: with "raise", NumPy would copy by way of yet another array.
            vectors = np.take(columns, places, axis=0, out=own.room[: len(places)], mode="clip")
            rows[row] = _bettered(start, vectors, confidence.data[cells], gram, self._steps)

        with ThreadPoolExecutor(num_threads or pa.cpu_count()) as threads:
            list(threads.map(solve, begun, parts.long))


def _parted(confidence: sparse.csr_matrix) -> _Parts:
    lengths = np.diff(confidence.indptr)
    long = np.flatnonzero(lengths >= LONG)
    if not len(long):
        return _Parts(confidence, long)
    kept = np.repeat(lengths < LONG, lengths)
    ends = np.cumsum(np.where(lengths < LONG, lengths, 0))
    short = (confidence.data[kept], confidence.indices[kept], np.append(0, ends))
    return _Parts(
        sparse.csr_matrix(short, shape=confidence.shape),
        long[np.argsort(-lengths[long], kind="stable")],
    )


def _bettered(
    start: np.ndarray, vectors: np.ndarray, c: np.ndarray, gram: np.ndarray, steps: int
) -> np.ndarray:
    """(k,) x after some steps of conjugate gradients towards (G + V'(C - I)V) x = V'c.

    start: (k,) x before. vectors: (m, k) V. c: (m,). gram: (k, k) G, with the regularization.
    Takacs, Pilaszy and Tikk, Applications of the conjugate gradient method for implicit feedback
    collaborative filtering (2011).
    """
    x, weights = start, c - 1
    residual = (c - weights * (vectors @ x)) @ vectors - gram @ x
    direction, size = residual, residual @ residual
    for _ in range(steps):
        if size < _SOLVED:
            break
        image = gram @ direction + (weights * (vectors @ direction)) @ vectors
        stride = size / (direction @ image)
        x = x + stride * direction
        residual = residual - stride * image
        before, size = size, residual @ residual
        direction = residual + (size / before) * direction
    return x
