"""Taste by what items say of themselves: words, tags and attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from recsys.config import Content
from recsys.models.factors import FactorModel, Factors

_SVD_ITERATIONS: Final = 7


@dataclass(frozen=True)
class Descriptions:
    """What is written of some users or items, one entry a row; empty where nothing is."""

    text: Sequence[str]
    tags: Sequence[Sequence[str]]
    attributes: Sequence[Sequence[str]]


def fit_content(
    weights: sparse.csr_matrix,
    items: Descriptions,
    users: Descriptions,
    config: Content,
    seed: int,
) -> FactorModel:
    """Places items by TF-IDF and truncated SVD, users at the mean of what they touched.

    weights: (n users, m items); a cell is the decayed weight of an interaction.
    items, users: m and n descriptions. A user's own is mixed in with `profile_weight`.
    Vectors have length 1, so a score is a cosine; those without any description are zero.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        features, profiles = _features(items, users, config)
        item_factors, profile_factors = _reduced(features, profiles, config.dimensions, seed)
    touched = _unit(weights @ item_factors)
    users_at = touched + np.float32(config.profile_weight) * profile_factors
    return FactorModel(_unit(users_at), item_factors)


def _features(
    items: Descriptions, users: Descriptions, config: Content
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """(m, f) and (n, f): weighted TF-IDF of words, tags and attributes side by side."""
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
    blocks = [_block(*part) for part in parts if part[0] > 0]
    return (
        sparse.hstack([block[0] for block in blocks], format="csr", dtype=np.float32),
        sparse.hstack([block[1] for block in blocks], format="csr", dtype=np.float32),
    )


def _as_they_are(labels: Sequence[str]) -> Sequence[str]:
    return labels


def _block(
    weight: float, vectorizer: TfidfVectorizer, items: Sequence[Any], users: Sequence[Any]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    try:
        return vectorizer.fit_transform(items) * weight, vectorizer.transform(users) * weight
    except ValueError:  # no word at all, or none that two items share
        return sparse.csr_matrix((len(items), 0)), sparse.csr_matrix((len(users), 0))


def _reduced(
    features: sparse.csr_matrix, profiles: sparse.csr_matrix, dimensions: int, seed: int
) -> tuple[Factors, Factors]:
    if features.shape[1] <= dimensions:
        return _unit(features.toarray()), _unit(profiles.toarray())
    rank = min(dimensions, features.shape[0])
    svd = TruncatedSVD(n_components=rank, n_iter=_SVD_ITERATIONS, random_state=seed)
    item_factors = svd.fit_transform(features)
    return _unit(item_factors), _unit(svd.transform(profiles))


def _unit(rows: npt.NDArray[np.floating]) -> Factors:
    rows = np.asarray(rows, dtype=np.float32)
    return np.asarray(normalize(rows)) if rows.size else rows
