"""Vectors of ALS with the equations that those of users solve, which explain every score."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys.arrays import Floats, Ragged
from recsys.errors import SchemaError
from recsys.generators.contract import Contributions, Rows, Strongest
from recsys.generators.factors import FactorModel, Factors
from recsys.generators.neighbours import packed, unpacked, without_cells


@dataclass(frozen=True)
class NormalEquations:
    """(A + Y'(C - I)Y) x = Y'c of each user, A = Y'Y + lambda I (Hu et al. 2008).

    Vectors of items that were placed by their descriptions have no part in A.
    """

    items: Factors
    """(items, k) Y."""
    everybody: Floats
    """(k, k) A."""
    confidence: sparse.csr_matrix
    """(users, items) c, stored where the user liked the item."""

    @cached_property
    def solved(self) -> Factors:
        """(items, k) A^-1 y of each item."""
        with threadpool_limits(limits=1, user_api="blas"):
            turned = linalg.solve(self.everybody, self.items.T.astype(np.float64), assume_a="pos")
        return np.asarray(turned.T, np.float32, order="C")

    def liked(self, user: int) -> tuple[Rows, Floats]:
        """(m,) rows of a user's items, and c of each."""
        cells = slice(*self.confidence.indptr[user : user + 2].tolist())
        own = self.confidence.indices[cells].astype(np.int64)
        return own, self.confidence.data[cells].astype(np.float64)


@dataclass(frozen=True)
class AlsModel(FactorModel):
    """Factors that `Explains` their products: x is a sum over the user's items."""

    equations: NormalEquations

    def restricted(self, items: Rows) -> Self:
        """The model of some items alone, its items laid out for products."""
        some = np.asfortranarray(self.item_factors[items])
        return type(self)(self.user_factors, some, self.equations)

    def of_users(self, users: Rows) -> Self:
        """The model of some users alone."""
        equations = self.equations
        own = NormalEquations(equations.items, equations.everybody, equations.confidence[users])
        return type(self)(self.user_factors[users], self.item_factors, own)

    def contributions(self, user: int, items: Rows) -> Contributions:
        """y_i'(A + Y'(C - I)Y)^-1 y_j c_j; see `Explains`.

        They are all of the score where the user's vector solves the equations, which that of a user
        without items does not, nor one of Spark's.
        """
        own, c = self.equations.liked(user)
        vectors = self.equations.items[own].astype(np.float64)
        system = self.equations.everybody + vectors.T @ (vectors * (c - 1.0)[:, np.newaxis])
        parts = np.linalg.solve(system, vectors.T * c)
        return Contributions(own, self.item_factors[items].astype(np.float64) @ parts)

    def without(self, items: Ragged) -> Self:
        """See `ExplainsLists`."""
        confidence = without_cells(self.equations.confidence, items)
        return replace(self, equations=replace(self.equations, confidence=confidence))

    def strongest(self, users: Rows, lists: Ragged) -> Strongest:
        """See `ExplainsLists`; with A alone, the same for all, so that no system is solved."""
        found = np.full(len(lists.values), -1, np.int64)
        shares = np.zeros(len(lists.values), np.float32)
        with threadpool_limits(limits=1, user_api="blas"):
            for line, user in enumerate(users.tolist()):
                entries = slice(*lists.offsets[line : line + 2].tolist())
                own, c = self.equations.liked(user)
                if not len(own):
                    continue
                beside = self.item_factors[lists.values[entries]] @ self.equations.solved[own].T
                parts = np.maximum(beside * c.astype(np.float32), 0.0)
                tops, sums = parts.max(axis=1), parts.sum(axis=1)
                found[entries] = np.where(tops > 0, own[parts.argmax(axis=1)], -1)
                shares[entries] = np.divide(tops, sums, out=tops * 0, where=sums > 0)
        return Strongest(found, shares)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays to keep."""
        equations = self.equations
        kept = super().arrays() | {"everybody": equations.everybody}
        return kept | dict(packed("confidence", equations.confidence))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The model that `arrays()` came from.

        Raises SchemaError for one of an earlier version, which kept vectors alone.
        """
        if "everybody" not in arrays:
            raise SchemaError(
                "the als model was made by an earlier version; run train_generators again"
            )
        users, items = arrays["user_factors"], arrays["item_factors"]
        confidence = unpacked("confidence", arrays)
        return cls(users, items, NormalEquations(items, arrays["everybody"], confidence))


def normal_matrix(items: Factors, regularization: float) -> Floats:
    """(k, k) Y'Y + lambda I of item vectors Y (items, k)."""
    vectors = items.astype(np.float64)
    return np.asarray(vectors.T @ vectors + regularization * np.eye(items.shape[1]))


def folded_in(items: Factors, confidence: sparse.csr_matrix, everybody: Floats) -> Factors:
    """(u, k) exact vectors of users for given item vectors, x = (A + Y'(C - I)Y)^-1 Y'c.

    items: (items, k) Y. confidence: (u, items) c, 1 or more where the user touched an item.
    everybody: (k, k) A, the same for all. With U the m rows of Y that a user touched it is
    A^-1 U' (I + (C - I) U A^-1 U')^-1 c: a system of m unknowns instead of k, used where m <= k.
    """
    vectors_of = items.astype(np.float64)
    solved = linalg.solve(everybody, vectors_of.T, assume_a="pos").T
    lengths = np.diff(confidence.indptr)
    vectors = np.zeros((confidence.shape[0], items.shape[1]), np.float32)
    for m in np.unique(lengths[lengths > 0]):
        users = np.flatnonzero(lengths == m)
        places = confidence.indptr[users][:, np.newaxis] + np.arange(m)
        rows, c = confidence.indices[places], confidence.data[places].astype(np.float64)
        if m > items.shape[1]:
            own = vectors_of[rows]
            across = own.transpose(0, 2, 1)
            systems = everybody + across @ (own * (c - 1.0)[:, :, np.newaxis])
            vectors[users] = np.linalg.solve(systems, across @ c[:, :, np.newaxis])[:, :, 0]
            continue
        inner = (c - 1.0)[:, :, np.newaxis] * (solved[rows] @ vectors_of[rows].transpose(0, 2, 1))
        share = np.linalg.solve(np.eye(m) + inner, c[:, :, np.newaxis])
        vectors[users] = (solved[rows].transpose(0, 2, 1) @ share)[:, :, 0]
    return vectors
