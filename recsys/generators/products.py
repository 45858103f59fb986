"""Products of two sparse matrices of which next to no cell is 0."""

import numpy as np
from scipy import sparse

from recsys.generators.contract import Scores


def dense_product(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Scores:
    """(n, m) the product of float32 (n, j) and (j, m).

    The sums of a row are those of SciPy's product of two sparse matrices, made in the same order.
    That looks for the cells of the result first, which takes longer than the sums. No row depends
    on another.
    """
    from recsys.generators.loops import add_product  # noqa: PLC0415 - imports Numba

    product = np.zeros((left.shape[0], right.shape[1]), np.float32)
    parts = (part for each in (left, right) for part in (each.indptr, each.indices, each.data))
    add_product(product, *parts)
    return product
