"""Lists for users who have none of their own: everybody's, and one for each segment of users."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Floats, Ints

EVERYBODY: Final = "all"
"""The list of everybody. Segments are named `path=value`, so none of them has this name."""
LONGEST_NAME: Final = 200
"""Characters. A longer value tells users apart rather than groups of them, and is no segment."""
_SHOWN: Final = 10
"""Paths that a message names."""


class SegmentList(NamedTuple):
    """The list of one segment."""

    name: str
    item_rows: Ints
    """Best first; at equal scores the lower row first."""
    scores: npt.NDArray[np.float32]
    """Smoothed share of the segment's users who like each."""


def segments_of(
    attributes: Sequence[Sequence[str]], path: str
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """(users,) number of each user's segment, -1 without one, and the segments' sorted names.

    attributes: for each user, `path=value` of every leaf of the profile. The first leaf at the
    path is the user's segment, and its `path=value` the name.
    """
    prefix = f"{path}="
    found = [next((x for x in leaves if x.startswith(prefix)), "") for leaves in attributes]
    names = sorted({name for name in found if _usable(name)})
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(name, -1) for name in found], np.int32), names


def _usable(name: str) -> bool:
    """True if Postgres can hold it as a key."""
    return 0 < len(name) <= LONGEST_NAME and "\x00" not in name


def why_no_segment(attributes: Sequence[Sequence[str]], path: str, least_users: int) -> str:
    """The reason why no segment has a list, with the paths that profiles have.

    attributes: for each user, `path=value` of every leaf of the profile. path: the configured one.
    """
    if names := segments_of(attributes, path)[1]:
        return f"each of its {len(names)} values has fewer than {least_users} users"
    paths = Counter(
        name for leaves in attributes for name in {leaf.partition("=")[0] for leaf in leaves}
    )
    if path in paths:
        return (
            f"none of its values can name a segment: each is longer than {LONGEST_NAME} characters "
            "with its path, or holds a NUL"
        )
    common = ", ".join(f"{name} ({users} users)" for name, users in paths.most_common(_SHOWN))
    return f"no user profile has it; profiles have {common or 'no attributes'}"


def segment_lists(
    history: sparse.csr_matrix,
    segments: npt.NDArray[np.int32],
    names: Sequence[str],
    available: Ints,
    length: int,
    smoothing: float,
    least_users: int,
) -> list[SegmentList]:
    """The best available items of everybody, then of each segment with enough users.

    history: (users, items); a cell is the decayed weight of what the user did with the item.
    segments: (users,) place of each user's segment in `names`, or -1.
    available: (a,) ascending item rows.
    smoothing: m, in users. least_users: segments of fewer get no list.

    Item i has in segment g the score (s + m p) / (n + m): the share of the n users of g who like
    i, drawn towards the share p among all users as if m more users had liked it that much. s is
    the sum over the users of g of min(weight, 1), so a user counts once at most, and less as the
    evidence fades. For everybody the formula gives p.
    """
    if EVERYBODY in names:
        raise ValueError(f"{EVERYBODY!r} names the list of everybody; no segment can have it")
    liked = sparse.csr_matrix(
        (np.minimum(history.data, 1.0).astype(np.float64), history.indices, history.indptr),
        shape=history.shape,
    )[:, available]
    overall = np.asarray(liked.sum(axis=0)).ravel() / max(history.shape[0], 1)
    members = np.flatnonzero(segments >= 0)
    belongs = sparse.csr_matrix(
        (np.ones(len(members)), (segments[members], members)), shape=(len(names), len(segments))
    )
    liked_by = belongs @ liked
    sizes = np.bincount(segments[members], minlength=len(names))
    lists = [SegmentList(EVERYBODY, *_best(overall, available, length))]
    for number in np.flatnonzero(sizes >= max(least_users, 1)).tolist():
        liking = liked_by[[number]].toarray()[0]
        shares = (liking + smoothing * overall) / (sizes[number] + smoothing)
        lists.append(SegmentList(names[number], *_best(shares, available, length)))
    return lists


def _best(shares: Floats, available: Ints, length: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Rows and scores of the highest shares, by score, then by row. shares: (a,)."""
    scores = shares.astype(np.float32)
    kept = min(length, len(scores))
    if kept == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    columns = np.flatnonzero(scores >= np.partition(scores, -kept)[-kept])
    best = columns[np.argsort(-scores[columns], kind="stable")[:kept]]
    return available[best], scores[best]
