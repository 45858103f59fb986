"""Taste by what items say of themselves: words, tags and attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.dataset.training import Descriptions, Training
from recsys.generators import aging
from recsys.generators.content_model import ContentModel
from recsys.generators.contract import Search, Span
from recsys.generators.factors import Factors
from recsys.generators.neighbours import strongest
from recsys.sections.base import Count, NonNegative

MODEL: Final = ContentModel
SEARCH: Final[Search] = {
    "word_weight": Span(0.0, 1.0),
    "attribute_weight": Span(0.0, 1.0),
    "profile_weight": Span(0.0, 1.0),
    **aging.SEARCH,
}
_SVD_ITERATIONS: Final = 7


class Config(aging.Aging):
    """TF-IDF over words, tags and attributes; what a user touched fades."""

    weight: NonNegative = 0.3
    """Weight of its standardised scores until better ones are learnt; 0 leaves it out."""
    half_life_days: aging.HalfLife = "never"
    """Days since the last event after which what a user touched counts half. What people like to
    read of lasts longer than what they come back for."""
    terms: Count = 200
    """Words, tags and attributes kept of each user, the weightiest."""
    dimensions: Annotated[int, Field(gt=0, le=4096)] = 64
    """Of the space, reduced by a truncated SVD, in which ALS places who has no events."""
    max_words: Count = 20_000
    """Size of the vocabulary."""
    min_items: Count = 2
    """A word, tag or attribute borne by fewer items says nothing about others and is left out."""
    word_weight: NonNegative = 0.3
    """Share of words."""
    tag_weight: NonNegative = 1.0
    """Share of tags."""
    attribute_weight: NonNegative = 0.3
    """Share of attributes."""
    profile_weight: NonNegative = 0.3
    """Share of a user's own profile document against the items touched, each of unit length."""


@dataclass(frozen=True)
class Profiles:
    """Vectors of items and users by their descriptions, in one space; zeros without one."""

    items: Factors
    """(items, d) of length 1."""
    users: Factors
    """(users, d) of length 1."""


def fit(training: Training, config: Config, seed: int) -> ContentModel:  # noqa: ARG001
    """The score is the cosine between what users touched and what items say of themselves.

    A user's own description is mixed in with `profile_weight`. Terms are compared as they are: a
    reduced space confuses authors that few items share, and they are what tells most.
    """
    items, profiles = described(training.items, training.users, config)
    items = _unit_rows(items)
    weights = aging.faded(training, training.history.data * aging.fading(training, config))
    touched = weights @ items
    users = _unit_rows(touched) + _unit_rows(profiles) * np.float32(config.profile_weight)
    users = strongest(users.tocsr(), config.terms)
    terms, scale = items.T.tocsr(), _inverse_lengths(touched) * _inverse_lengths(users)
    return ContentModel(_unit_rows(users), terms, terms, weights, scale)


def vectors(items: Descriptions, users: Descriptions, config: Config, seed: int) -> Profiles:
    """TF-IDF and truncated SVD of the items; users are placed by the same words."""
    with threadpool_limits(limits=1, user_api="blas"):
        features, profiles = described(items, users, config)
        return _reduced(features, profiles, config.dimensions, seed)


def described(
    items: Descriptions, users: Descriptions, config: Config
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """(m, f) and (n, f): weighted TF-IDF of words, tags and attributes side by side."""
    if not any(map(any, (items.text, items.tags, items.attributes))):
        return _nothing(items), _nothing(users)
    # It takes seconds to load, and every command reads the configuration above.
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    least = min(config.min_items, max(1, len(items.text) // 2))
    words = TfidfVectorizer(
        max_features=config.max_words, min_df=least, stop_words="english", sublinear_tf=True
    )
    labels = {"analyzer": _as_they_are, "min_df": least}
    parts = [
        (config.word_weight, words, items.text, users.text),
        (config.tag_weight, TfidfVectorizer(**labels), items.tags, users.tags),
        (config.attribute_weight, TfidfVectorizer(**labels), items.attributes, users.attributes),
    ]
    parts_by_kind = [_of_kind(*part) for part in parts if part[0] > 0]
    return (
        sparse.hstack([part[0] for part in parts_by_kind], format="csr", dtype=np.float32),
        sparse.hstack([part[1] for part in parts_by_kind], format="csr", dtype=np.float32),
    )


def _nothing(rows: Descriptions) -> sparse.csr_matrix:
    return sparse.csr_matrix((len(rows.text), 0), dtype=np.float32)


def _as_they_are(labels: Sequence[str]) -> Sequence[str]:
    return labels


def _of_kind(
    weight: float, vectorizer: Any, items: Sequence[Any], users: Sequence[Any]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    try:
        return vectorizer.fit_transform(items) * weight, vectorizer.transform(users) * weight
    except ValueError:  # no word at all, or none that two items share
        return sparse.csr_matrix((len(items), 0)), sparse.csr_matrix((len(users), 0))


def _reduced(
    features: sparse.csr_matrix, profiles: sparse.csr_matrix, dimensions: int, seed: int
) -> Profiles:
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415 - as above

    if features.shape[1] <= dimensions:
        return Profiles(_unit(features.toarray()), _unit(profiles.toarray()))
    rank = min(dimensions, features.shape[0])
    svd = TruncatedSVD(n_components=rank, n_iter=_SVD_ITERATIONS, random_state=seed)
    items = svd.fit_transform(features)
    return Profiles(_unit(items), _unit(svd.transform(profiles)))


def _unit(rows: npt.NDArray[np.floating]) -> Factors:
    rows = np.asarray(rows, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lengths[lengths == 0.0] = 1.0
    return np.asarray(rows / lengths[:, np.newaxis], np.float32)


def _unit_rows(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    return (sparse.diags(_inverse_lengths(rows)) @ rows).tocsr().astype(np.float32)


def _inverse_lengths(rows: sparse.csr_matrix) -> npt.NDArray[np.floating]:
    """(n,) 0 for a row of zeros."""
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return np.asarray(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0))
