"""Segments of users by an attribute of their profile, and what each segment likes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

LONGEST_NAME: Final = 200
"""Characters. A longer value tells users apart rather than groups of them, and is no segment."""
_SHOWN: Final = 10
"""Paths that a message names."""
Shares = npt.NDArray[Any]


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


def largest_segments(
    segments: npt.NDArray[np.int32], names: Sequence[str], least_users: int, most: int
) -> dict[str, int]:
    """Numbers of the segments of the most users by name, in order of names.

    segments: (users,) number of each user's segment, the place of its name, or -1. least_users:
    segments of fewer are left out. most: how many there are at most.
    """
    sizes = np.bincount(segments[segments >= 0], minlength=len(names))
    order = np.argsort(-sizes, kind="stable")[:most]
    return {names[number]: number for number in sorted(order[sizes[order] >= least_users].tolist())}


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


def liking_shares(liked: sparse.csr_matrix) -> Shares:
    """(items,) share of all users who like each item, in the precision of the matrix.

    liked: (users, items); a cell is at most 1, so that a user counts once.
    """
    return np.asarray(np.asarray(liked.sum(axis=0)).ravel() / max(liked.shape[0], 1))


def segment_members(
    segments: npt.NDArray[np.int32], count: int, dtype: npt.DTypeLike
) -> sparse.csr_matrix:
    """(segments, users) 1 where a user belongs to a segment.

    segments: (users,) number of each user's segment, below `count`, or -1.
    """
    members = np.flatnonzero(segments >= 0)
    cells = (np.ones(len(members), dtype), (segments[members], members))
    return sparse.csr_matrix(cells, shape=(count, len(segments)))


def smoothed(likes: Shares, sizes: Shares, overall: Shares, smoothing: float) -> Shares:
    """(g, items) smoothed share of the users of some segments who like each item.

    It is (s + m p) / (n + m): s likes among the n users, drawn towards the share p among all users
    as if m more users had liked the item that much.
    likes: (g, items) s. sizes: (g,) n. overall: (items,) p. smoothing: m, in users.
    """
    return np.asarray(
        (likes + smoothing * overall) / np.maximum(sizes + smoothing, 1.0)[:, np.newaxis]
    )
