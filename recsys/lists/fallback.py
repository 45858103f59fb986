"""Lists for users who have none of their own: everybody's, and one for each segment of users."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.arrays import Floats, Ints
from recsys.dataset.segments import liking_shares, segment_members, smoothed

EVERYBODY: Final = "all"
"""The list of everybody. Segments are named `path=value`, so none of them has this name."""


class SegmentList(NamedTuple):
    """The list of one segment."""

    name: str
    item_rows: Ints
    """Best first; at equal scores the lower row first."""
    scores: npt.NDArray[np.float32]
    """Smoothed share of the segment's users who like each."""


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

    An item's score is the smoothed share of the segment's users who like it (`segments.smoothed`);
    each counts by min(weight, 1), so once at most, and less as the evidence fades.
    """
    if EVERYBODY in names:
        raise ValueError(f"{EVERYBODY!r} names the list of everybody; no segment can have it")
    liked = sparse.csr_matrix(
        (np.minimum(history.data, 1.0).astype(np.float64), history.indices, history.indptr),
        shape=history.shape,
    )[:, available]
    overall = liking_shares(liked)
    members = segment_members(segments, len(names), np.float64)
    likes, sizes = members @ liked, np.diff(members.indptr)
    lists = [SegmentList(EVERYBODY, *_best(overall, available, length))]
    for number in np.flatnonzero(sizes >= max(least_users, 1)).tolist():
        # One segment at a time: all of them by all items may be more than fits.
        own, size = likes[[number]].toarray(), sizes[[number]]
        (shares,) = smoothed(own, size, overall, smoothing)
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
