"""Products of sparse matrices are those of SciPy, whatever is added up at once."""

import numpy as np
import pytest
from scipy import sparse

from recsys.generators import products
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


@pytest.mark.parametrize("terms", [1, 7, 50])
def test_long_rows_are_added_up_piece_by_piece_and_no_row_depends_on_others(
    terms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_TERMS", terms)
    left, right = drawn(40, 20, 0.4), drawn(20, 30, 0.5)
    found = dense_product(left, right)
    assert found == pytest.approx((left @ right).toarray(), abs=1e-5)
    assert np.array_equal(found[7:23], dense_product(left[7:23], right))
