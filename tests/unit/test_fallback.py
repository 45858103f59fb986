import numpy as np
import pytest
from scipy import sparse

from recsys.dataset.segments import LONGEST_NAME, segments_of, why_no_segment
from recsys.lists.fallback import EVERYBODY, segment_lists

#: Four users of `c=de`, two of `c=fr`, one of none; items 0 to 4, of which 3 is not available.
HISTORY = sparse.csr_matrix(
    np.array(
        [
            [1.0, 0.0, 0.0, 9.0, 0.0],
            [1.0, 0.0, 0.5, 9.0, 0.0],
            [0.0, 0.0, 7.0, 9.0, 0.0],
            [0.0, 0.0, 0.0, 9.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 2.0, 0.0, 0.0, 0.0],
            [0.0, 0.5, 0.0, 0.0, 0.0],
        ],
        np.float32,
    )
)
SEGMENTS = np.array([0, 0, 0, 0, 1, 1, -1], np.int32)
NAMES = ["c=de", "c=fr"]
AVAILABLE = np.array([0, 1, 2, 4])


def test_shares_are_smoothed_and_a_user_counts_once_at_most() -> None:
    everybody, german, french = segment_lists(HISTORY, SEGMENTS, NAMES, AVAILABLE, 9, 3.0, 2)
    assert (everybody.name, german.name, french.name) == (EVERYBODY, "c=de", "c=fr")
    shares = {1: 2.5 / 7, 0: 2 / 7, 2: 1.5 / 7, 4: 0.0}
    assert everybody.item_rows.tolist() == [1, 0, 2, 4]
    np.testing.assert_allclose(everybody.scores, [shares[row] for row in (1, 0, 2, 4)], rtol=1e-6)
    likes = {0: 2.0, 2: 1.5, 1: 0.0, 4: 0.0}
    expected = {row: (likes[row] + 3 * shares[row]) / (4 + 3) for row in likes}
    assert german.item_rows.tolist() == [0, 2, 1, 4]
    np.testing.assert_allclose(german.scores, [expected[row] for row in (0, 2, 1, 4)], rtol=1e-6)
    np.testing.assert_allclose(french.scores[0], (2 + 3 * 2.5 / 7) / 5, rtol=1e-6)


def test_small_segments_get_no_list() -> None:
    lists = segment_lists(HISTORY, SEGMENTS, NAMES, AVAILABLE, 9, 3.0, 3)
    assert [found.name for found in lists] == [EVERYBODY, "c=de"]
    nobody = np.full(7, -1, np.int32)
    assert len(segment_lists(HISTORY, nobody, NAMES, AVAILABLE, 9, 0.0, 1)) == 1


def test_without_users_or_items_there_is_an_empty_list_for_everybody() -> None:
    nothing = np.empty(0, np.int32)
    (found,) = segment_lists(sparse.csr_matrix((0, 5)), nothing, [], AVAILABLE, 2, 3.0, 1)
    assert (found.item_rows.tolist(), found.scores.tolist()) == ([0, 1], [0.0, 0.0])
    none = np.empty(0, np.int64)
    assert [len(x.item_rows) for x in segment_lists(HISTORY, SEGMENTS, NAMES, none, 2, 3.0, 1)] == [
        0
    ] * 3


def test_the_name_of_everybody_is_taken() -> None:
    with pytest.raises(ValueError, match="'all' names the list of everybody"):
        segment_lists(HISTORY, SEGMENTS, ["c=de", "all"], AVAILABLE, 9, 3.0, 1)
    _, names = segments_of([["c=all"], ["all"]], "c")
    assert names == ["c=all"]


@pytest.mark.parametrize("length", [1, 7, 40, 99])
def test_hundreds_of_segments_equal_their_definition(length: int) -> None:
    rng = np.random.default_rng(length)
    users, items, groups, m = 2_000, 60, 300, 5.0
    weights = rng.integers(0, 4, (users, items)) * (rng.random((users, items)) < 0.1) / 2.0
    segments = rng.integers(-1, groups, users).astype(np.int32)
    names = [f"g={n:03}" for n in range(groups)]
    available = np.flatnonzero(rng.random(items) < 0.8)
    found = segment_lists(
        sparse.csr_matrix(weights), segments, names, available, length, m, least_users=5
    )
    liked, lists = np.minimum(weights, 1.0), {}
    overall = liked.mean(axis=0)
    for number, name in enumerate(names):
        members = liked[segments == number]
        if len(members) >= 5:
            scores = (members.sum(axis=0) + m * overall) / (len(members) + m)
            rounded = scores.astype(np.float32)
            lists[name] = sorted(available.tolist(), key=lambda i: (-rounded[i], i))[:length]
    assert {x.name: x.item_rows.tolist() for x in found[1:]} == lists
    assert len(lists) > 100


def test_the_first_value_at_the_path_is_the_segment() -> None:
    attributes = [
        ["size=3", "c=fr", "c=de"],
        [],
        ["c.sub=x", "cc=y"],
        ["c=de"],
        ["c="],
        ["c=" + "x" * LONGEST_NAME],
        ["c=a\x00b"],
        ["c=a=b"],
    ]
    numbers, names = segments_of(attributes, "c")
    assert names == ["c=", "c=a=b", "c=de", "c=fr"]
    assert numbers.tolist() == [3, -1, -1, 2, 0, -1, -1, 1]
    assert numbers.dtype == np.int32
    empty, none = segments_of([], "c")
    assert (empty.tolist(), none) == ([], [])


def test_a_path_without_a_segment_is_explained_by_those_that_there_are() -> None:
    profiles = [["home.country=IT", "home.city=Turin", "home.city=Rome"], ["home.country=DE"], []]
    assert why_no_segment(profiles, "country", 10) == (
        "no user profile has it; profiles have home.country (2 users), home.city (1 users)"
    )
    assert why_no_segment([[]], "country", 10).endswith("profiles have no attributes")
    assert why_no_segment(profiles, "home.country", 10) == (
        "each of its 2 values has fewer than 10 users"
    )
    assert why_no_segment([[f"bio={'x' * 200}"], []], "bio", 10) == (
        "none of its values can name a segment: each is longer than 200 characters with its path, "
        "or holds a NUL"
    )
