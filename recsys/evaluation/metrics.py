"""Measures of lists against what users did next, and of lists by themselves.

`ranked` is (u, w) int64 throughout: item rows of u users' lists, best first, each item once, -1
where a list is shorter. Each metric looks at the first k places and gives one value a user.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Floats, Ints, Mask, Ragged, offsets_of
from recsys.errors import DataError
from recsys.evaluation.concentration import exposures, gini, top_share
from recsys.sections.base import READ_PLACES

TOP: Final = 0.01
"""Part of all items whose share of the exposure is told."""
SMOOTHING: Final = 0.01
"""Steck's alpha: how much of the history's distribution is mixed into the list's."""


@dataclass(frozen=True)
class Hits:
    """Hits: places of relevant items in users' lists."""

    places: Mask
    """(u, w) whether the place holds an item that is relevant to the user."""
    relevant: Ints
    """(u,) number of relevant items, 1 or more."""


def find_hits(ranked: Ints, relevant: Ragged) -> Hits:
    """Looks each place's item up among the user's relevant items.

    relevant: items of the same u users, each at least one and each once.
    """
    offsets, rows = relevant
    counts = np.diff(offsets)
    if len(counts) != len(ranked):
        raise DataError(f"{len(ranked)} lists, but relevant items of {len(counts)} users")
    if not len(counts) or counts.min() < 1:
        raise DataError("lists are measured for users with relevant items: leave the others out")
    users = np.arange(len(ranked))
    width = 1 + max(ranked.max(initial=-1), rows.max(initial=-1))
    wanted = np.sort(np.repeat(users, counts) * width + rows)
    if (np.diff(wanted) == 0).any() or _repeats(ranked):
        raise DataError("an item stands twice in a user's list or relevant items")
    listed = users[:, np.newaxis] * width + ranked
    nearest = np.minimum(np.searchsorted(wanted, listed), len(wanted) - 1)
    return Hits((wanted[nearest] == listed) & (ranked >= 0), counts)


def recall(hits: Hits, k: int) -> Floats:
    """(u,) hits / relevant items."""
    return np.asarray(_first(hits, k).sum(axis=1) / hits.relevant)


def ndcg(hits: Hits, k: int) -> Floats:
    """(u,) discounted gain over that of the ideal list (Järvelin and Kekäläinen 2002).

    A hit at rank r gains 1 / log2(1 + r); the ideal list has min(k, relevant) hits on top.
    Rows are summed one by one: a matrix product may round a user by its place among the others.
    """
    discounts = 1.0 / np.log2(1.0 + np.arange(1, k + 1))
    places = _first(hits, k)
    ideal = np.cumsum(discounts)[np.minimum(k, hits.relevant) - 1]
    gains = (places * discounts[: places.shape[1]]).sum(axis=1)
    return np.asarray(np.minimum(gains / ideal, 1.0))


def average_precision(hits: Hits, k: int) -> Floats:
    """(u,) sum over hits of the precision at their rank, divided by min(k, relevant).

    So a list that cannot hold all relevant items can still have 1; `map_cut` of trec_eval divides
    by the number of relevant items instead.
    """
    places = _first(hits, k)
    precision = np.cumsum(places, axis=1) / np.arange(1, places.shape[1] + 1)
    return np.asarray((precision * places).sum(axis=1) / np.minimum(k, hits.relevant))


def reciprocal_rank(hits: Hits, k: int) -> Floats:
    """(u,) 1 / rank of the first hit, 0 without one."""
    places = _first(hits, k)
    return np.asarray((places / np.arange(1.0, places.shape[1] + 1)).max(axis=1, initial=0.0))


def hit(hits: Hits, k: int) -> Floats:
    """(u,) 1 where the list has a hit, else 0."""
    return np.asarray(_first(hits, k).any(axis=1), np.float64)


def coverage(ranked: Ints, items: int) -> float | None:
    """Share of all items that stand in at least one list; None where there are no items."""
    return len(np.unique(ranked[ranked >= 0])) / items if items else None


def shown(ranked: Ints, items: int) -> Floats:
    """(items,) exposure of each item, see `exposures`."""
    listed, places = ranked >= 0, np.arange(1, ranked.shape[1] + 1)
    ranks = np.broadcast_to(places, ranked.shape)[listed]
    return exposures(ranked[listed], ranks, items)


def exposure_gini(ranked: Ints, items: int) -> float | None:
    """Gini coefficient of the items' exposure; None where all lists are empty."""
    return gini(shown(ranked, items), items)


def self_information(touched: Ints) -> Floats:
    """(items,) novelty of each item, -log2 p(item) in bits (Vargas and Castells 2011).

    touched: (items,) number of training pairs of each item; p is its share of all training pairs.
    An item without any counts as having one.
    """
    return np.asarray(-np.log2(np.maximum(touched, 1) / max(1, touched.sum())))


def novelty(ranked: Ints, information: Floats) -> Floats:
    """(u,) mean self-information of the list's items in bits; NaN for an empty list."""
    listed = ranked >= 0
    bits = np.where(listed, information[ranked], 0.0)
    return _over(bits.sum(axis=1), listed.sum(axis=1))


def diversity(ranked: Ints, vectors: npt.NDArray[np.floating]) -> Floats:
    """(u,) 1 - mean cosine over the pairs of a list's items (Ziegler et al. 2005).

    vectors: (items, d) of any length; the cosine with a vector of zeros is 0. NaN for a list of
    fewer than two items. The sum over pairs is (|sum v|^2 - sum |v|^2) / 2 for unit vectors v.
    """
    units = _unit(vectors)
    lists = _membership(ranked, len(units))
    sums, squares = lists @ units, lists @ np.square(units).sum(axis=1)
    lengths = (ranked >= 0).sum(axis=1)
    cosine = _over(np.square(sums).sum(axis=1) - squares, lengths * (lengths - 1))
    return np.asarray(1.0 - np.minimum(cosine, 1.0))


def calibration_error(
    ranked: Ints, histories: sparse.csr_matrix, categories: sparse.csr_matrix
) -> Floats:
    """(u,) distance of a list's categories from the history's, KL(p || q~) (Steck 2018).

    histories: (u, items) weight of each item in the user's past. categories: (items, g) weight of
    each category of an item. p and q are the mean category distributions of the history and of the
    list over items that have categories, q~ = 0.99 q + 0.01 p. In nats: 0 where both agree, and
    ln 100 for a list without any of the history's categories. NaN where the history has none.
    """
    shares = _shares(categories)
    described = (shares.getnnz(axis=1) > 0).astype(np.float64)
    lists = _membership(ranked, shares.shape[0])
    past, now = (_mean_rows(m, shares, described) for m in (histories, lists))
    mixed = (1.0 - SMOOTHING) * now + SMOOTHING * past
    mixed = mixed.multiply(past.astype(bool)).tocsr()
    past.sort_indices()
    mixed.sort_indices()
    past.data = past.data * np.log(past.data / mixed.data)
    divergence = np.maximum(np.asarray(past.sum(axis=1)).ravel(), 0.0)
    return np.where(past.getnnz(axis=1) > 0, divergence, np.nan)


@dataclass(frozen=True)
class Catalogue:
    """Facts of the items that lists are made of."""

    touched: Ints
    """(items,) number of training pairs of each item."""
    vectors: npt.NDArray[np.floating] | None = None
    """(items, d) vectors whose cosine says how alike two items are."""
    categories: sparse.csr_matrix | None = None
    """(items, g) weight of each category of an item."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model's lists for some users."""

    k: int
    """Places of a list that count."""
    ranked: Ints
    """(u, k or fewer) the lists."""
    relevant: Ragged
    """What the lists were measured against."""
    items: int
    """Size of the catalogue."""
    per_user: Mapping[str, Floats]
    """(u,) by metric; NaN where a metric is not defined for a user."""
    reached: Mask | None = None
    """(relevant,) whether the model can say anything of each relevant item; None if not known."""

    def summary(self, chosen: Mask | None = None) -> dict[str, float | None]:
        """Each metric's mean over all users or over the chosen ones (u,), then `over_lists`.

        Users for whom a metric is not defined are left out of its mean; None where that is all.
        """
        who = np.ones(len(self.ranked), bool) if chosen is None else chosen
        means = {name: _mean(values[who]) for name, values in self.per_user.items()}
        return means | self.over_lists(who)

    def over_lists(self, chosen: Mask) -> dict[str, float | None]:
        """Coverage, exposure Gini and the exposure of the top 1 % of the items in the chosen users'
        (u,) lists taken together, and reach: the share of these users' relevant items that the
        model can say anything of.
        """
        lists = self.ranked[chosen]
        return {
            "coverage": coverage(lists, self.items),
            "gini": exposure_gini(lists, self.items),
            "top_share": top_share(shown(lists, self.items), self.items, TOP),
            "reach": self._reach(chosen),
        }

    def _reach(self, chosen: Mask) -> float | None:
        if self.reached is None:
            return None
        reached = self.reached[np.repeat(chosen, self.relevant.lengths)]
        return float(reached.mean()) if len(reached) else None


def evaluate_lists(
    ranked: Ints,
    relevant: Ragged,
    catalogue: Catalogue,
    *,
    k: int = READ_PLACES,
    histories: sparse.csr_matrix | None = None,
    reached: Mask | None = None,
) -> Evaluation:
    """All metrics of the lists at k; diversity where the catalogue has vectors.

    relevant: the users' items in the test part, each user at least one.
    histories: (u, items) weights of the users' training items, for the calibration error, which
    needs the catalogue's categories.
    reached: (relevant,) whether the model can say anything of each relevant item.
    """
    lists, items = ranked[:, :k], len(catalogue.touched)
    if lists.max(initial=-1) >= items:
        raise DataError(f"item row {lists.max()} is not in a catalogue of {items} items")
    hits = find_hits(lists, relevant)
    figures = {m.__name__: m(hits, k) for m in ACCURACY}
    figures["novelty"] = novelty(lists, self_information(catalogue.touched))
    if catalogue.vectors is not None:
        figures["diversity"] = diversity(lists, catalogue.vectors)
    if histories is not None:
        if catalogue.categories is None:
            raise DataError("the calibration error needs categories of items: give both or none")
        figures["calibration_error"] = calibration_error(lists, histories, catalogue.categories)
    check_figures(figures)
    return Evaluation(k, lists, relevant, items, figures, reached)


def of_new_items(evaluation: Evaluation, catalogue: Catalogue) -> Evaluation | None:
    """The same lists against new items alone, those without a training pair.

    Of the users who have such relevant items; None where nobody has.
    """
    rows = evaluation.relevant.values
    new = catalogue.touched[rows] == 0
    users, counts = np.unique(evaluation.relevant.lines()[new], return_counts=True)
    if not len(users):
        return None
    return evaluate_lists(
        evaluation.ranked[users],
        Ragged.of_lengths(counts, rows[new]),
        catalogue,
        k=evaluation.k,
        reached=None if evaluation.reached is None else evaluation.reached[new],
    )


def check_figures(figures: Mapping[str, Floats]) -> None:
    """Raises ArithmeticError for a metric outside its range: no input may lead to that.

    figures: (u,) by metric; NaN where one that is not of hits is not defined for a user.
    """
    accuracy = {metric.__name__ for metric in ACCURACY}
    for name, values in figures.items():
        most = 1.0 if name in accuracy else _MOST.get(name, np.inf)
        inside = (values >= 0.0) & (values <= most + _ROUNDING) & np.isfinite(values)
        undefined = np.isnan(values) & (name not in accuracy)
        if not (inside | undefined).all():
            wrong = values[~(inside | undefined)][0]
            raise ArithmeticError(f"{name} of a user is {wrong}, which no list can have: a bug")


ACCURACY: Final = (recall, ndcg, average_precision, reciprocal_rank, hit)
"""Metrics of hits; by name, they lie between 0 and 1, and more is better."""


_MOST: Final = {"diversity": 2.0}
_ROUNDING: Final = 1e-9


def as_ranked(lists: Ragged, k: int) -> Ints:
    """(u, k) the first k items of lists that stand one after the other, -1 where one is shorter."""
    offsets, rows = lists
    lengths = np.minimum(np.diff(offsets), k)
    listed = np.arange(k) < lengths[:, np.newaxis]
    ranked = np.full(listed.shape, -1, np.int64)
    ranked[listed] = rows[(offsets[:-1, np.newaxis] + np.arange(k))[listed]]
    return ranked


def _first(hits: Hits, k: int) -> Mask:
    if k < 1:
        raise ValueError(f"k is the number of places that count, 1 or more, not {k}")
    return hits.places[:, :k]


def _repeats(ranked: Ints) -> bool:
    """True if a list holds an item twice."""
    ordered = np.sort(ranked, axis=1)
    return bool(((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)).any())


def _membership(ranked: Ints, items: int) -> sparse.csr_matrix:
    """(u, items) 1 where the list holds the item."""
    listed = ranked >= 0
    offsets = offsets_of(listed.sum(axis=1))
    cells = (np.ones(offsets[-1]), ranked[listed], offsets)
    return sparse.csr_matrix(cells, shape=(len(ranked), items))


def _mean_rows(
    weights: sparse.csr_matrix, shares: sparse.csr_matrix, described: Floats
) -> sparse.csr_matrix:
    """(u, g) weighted mean of the items' shares over those that have any; else a row of zeros."""
    totals = weights @ described
    scale = np.divide(1.0, totals, out=np.zeros(len(totals)), where=totals > 0)
    mean = sparse.diags(scale) @ (weights @ shares)
    mean = mean.tocsr()
    mean.eliminate_zeros()
    return mean


def _shares(categories: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of weights, each divided by its sum; a row of zeros stays."""
    shares = categories.astype(np.float64)
    sums = np.asarray(abs(shares).sum(axis=1)).ravel()
    shares.data /= np.repeat(np.where(sums > 0.0, sums, 1.0), np.diff(shares.indptr))
    return shares


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    rows = vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0.0, lengths, 1.0))


def _over(sums: Floats, counts: Ints) -> Floats:
    """sums / counts; NaN where there is nothing to take a mean of."""
    nothing = np.full(len(sums), np.nan)
    return np.asarray(np.divide(sums, counts, out=nothing, where=np.asarray(counts > 0)))


def _mean(values: Floats) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None
