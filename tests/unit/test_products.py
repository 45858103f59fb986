"""Products of sparse matrices are those of SciPy."""

import numpy as np
import pytest
from scipy import sparse

from recsys.generators.products import dense_product

RNG = np.random.default_rng(3)
SHAPES = [(1, 1, 1), (40, 7, 30), (16, 60, 5), (33, 20, 200), (5, 3, 0), (0, 4, 6)]
DENSITIES = [0.0, 0.1, 1.0]


def drawn(rows: int, columns: int, density: float) -> sparse.csr_matrix:
    cells = sparse.random(rows, columns, density, "csr", np.float32, rng=RNG)
    return sparse.csr_matrix(cells)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize(("rows", "between", "columns"), SHAPES)
def test_rows_are_added_up_as_scipy_adds_them(
    rows: int, between: int, columns: int, density: float
) -> None:
    left, right = drawn(rows, between, density), drawn(between, columns, 0.5)
    found = dense_product(left, right)
    assert found.dtype == np.float32
    assert np.array_equal(found, (left @ right).toarray())


def test_no_row_depends_on_others() -> None:
    left, right = drawn(40, 20, 0.4), drawn(20, 30, 0.5)
    found = dense_product(left, right)
    assert np.array_equal(found[7:23], dense_product(left[7:23], right))
