"""Who is shown to whom in a market of people, against wishes taken at their word."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import event, given, settings
from hypothesis import strategies as st
from scipy import sparse

from data_contracts import lists as contract
from data_contracts.contract import CheckContext, RelatedTables
from recsys import columns as c
from recsys.arrays import Ragged
from recsys.as_of import AsOf
from recsys.dataset.training import Descriptions, Training
from recsys.generators.factors import FactorModel
from recsys.lists.chain import plan_chain
from recsys.lists.contract import Recipients, StepContext
from recsys.lists.pools import ranked_chunks
from recsys.lists.ranker import Ranker
from recsys.lists.registry import ListSteps
from recsys.people.eligibility import Eligibility
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.schemas import HISTORIES, LISTS
from recsys.sections.ids import Ids
from recsys.sections.people import Wish
from tests.wishes import PROFILES, RULES, permitted


def leaves(profile: dict[str, list[str]]) -> list[str]:
    return [f"{path}={value}" for path, values in profile.items() for value in values]


def training(people: Eligibility, users: int, items: int) -> Training:
    nothing = np.empty(0, np.float32)
    return Training(
        sparse.csr_matrix((users, items), dtype=np.float32),
        nothing,
        nothing,
        Descriptions.blank(items),
        Descriptions.blank(users),
        np.full(users, -1, np.int32),
        people,
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_published_pair_breaks_no_wish_no_block_and_shows_nobody_to_themselves(
    data: st.DataObject,
) -> None:
    """Lists of a generated market hold whom the rules leave, as many as fit, in places drawn and
    ranked alike; the contract finds nothing in them, and what is wrong in lists of everybody."""
    names = data.draw(st.lists(st.sampled_from(sorted(RULES)), unique=True))
    rules: dict[str, Any] = {name: RULES[name] for name in names}
    profiles = data.draw(st.lists(PROFILES, min_size=2, max_size=9))
    users, length = len(profiles), data.draw(st.integers(1, 6))
    # The last is in the catalogue alone, the first among the users alone.
    ids, items = pa.chunked_array([range(users)]), pa.chunked_array([range(1, users + 1)])
    pairs = st.tuples(st.integers(0, users - 1), st.integers(0, users - 1))
    ended = data.draw(st.sets(pairs, max_size=4))
    people = Eligibility.of(
        {name: Wish.model_validate(rule) for name, rule in rules.items()},
        [leaves(profile) for profile in profiles],
        ids,
        items,
    )

    def may(user: int, item: int) -> bool:
        other = profiles[item] if item < users else {}
        return user != item and permitted(rules, profiles[user], other)

    expected = [[may(u, i) for i in range(1, users + 1)] for u in range(users)]
    everybody, shown = np.arange(users), np.arange(users)
    assert people.permitted(everybody, shown).tolist() == expected
    one, other = (each.ravel() for each in np.indices((users, users)))
    assert people.permitted_pairs(one, other).reshape(users, users).tolist() == expected

    barred = [
        sorted({b for a, b in ended if a == u} | {a for a, b in ended if b == u})
        for u in range(users)
    ]
    excluded = [[person - 1 for person in row if person] for row in barred]
    made = published(people, excluded, users, length)
    for user, row in enumerate(made):
        left = {i for i in range(users) if expected[user][i]} - set(excluded[user])
        assert set(row) <= left
        assert len(row) == min(length, len(left))
    event(f"{sum(map(sum, expected)) * 4 // users**2} of 4 quarters of the pairs permitted")

    def broken(rows: list[list[int]], bars: list[list[int]]) -> dict[str, Any]:
        figures = contract.figures(listed(rows), checked(people, bars, users))
        return {
            name: figures[name]
            for name in (contract.THEMSELVES, contract.EITHER, *map(contract.broken_name, rules))
        }

    assert not any(broken(made, excluded).values())
    # Lists of everybody, of which the contract finds each pair that may not be.
    all_pairs = [(u, i) for u in range(users) for i in range(1, users + 1)]
    assert broken([[*range(users)]] * users, excluded) == {
        contract.THEMSELVES: sum(u == i for u, i in all_pairs),
        contract.EITHER: sum(map(len, excluded)),
        **{
            contract.broken_name(name): sum(
                not permitted({name: rule}, profiles[u], profiles[i] if i < users else {})
                for u, i in all_pairs
            )
            for name, rule in rules.items()
        },
    }


def published(
    people: Eligibility, excluded: list[list[int]], users: int, length: int
) -> list[list[int]]:
    """Items of lists that are ranked, and explored, by a model of random numbers."""
    rng = np.random.default_rng(users)
    vectors = rng.normal(size=(2 * users, 3)).astype(np.float32)
    model = FactorModel(vectors[:users], vectors[users:])
    known, available = training(people, users, users), np.arange(users)
    scorer = Scorer.of({"m": model}, available, users, people)
    context = StepContext(known, available, {"m": model}, ["explore"], length, seed=7)
    explore: dict[str, Any] = {"slots": 1, "first_place": 1}
    chain = plan_chain(ListSteps.model_validate({"explore": explore}), context, lambda *_: {})
    lengths, rows = np.array([len(row) for row in excluded]), [i for row in excluded for i in row]
    bars = Ragged.of_lengths(lengths, np.array(rows, np.int64))
    recipients = Recipients(np.arange(users), np.arange(users, dtype=np.uint64), bars)
    ranker = Ranker(scorer, WeightedSum((1.0,)))
    made = []
    for pools, chunk in ranked_chunks(ranker, recipients, length):
        lists = chain.published(pools, chunk)
        made += [lists.item_rows[a:b].tolist() for a, b in pairwise(lists.offsets)]
    return made


def listed(rows: list[list[int]]) -> pa.Table:
    """Of users who are numbered as they come, items by their rows."""
    lists = [
        {
            c.USER_ID: user,
            c.ITEM_IDS: [row + 1 for row in line],
            c.SCORES: [0.0] * len(line),
            c.SOURCES: [0] * len(line),
            c.PROPENSITIES: [1.0] * len(line),
        }
        for user, line in enumerate(rows)
    ]
    return pa.Table.from_pylist(lists, LISTS.arrow(Ids()))


def checked(people: Eligibility, bars: list[list[int]], users: int) -> CheckContext:
    """Of a matrix that knows a block, a pass or a match one way alone."""
    one_way = [[item for item in row if item + 1 >= user] for user, row in enumerate(bars)]
    empty: list[Any] = []
    names = HISTORIES.arrow(Ids()).names
    matrix = [
        dict.fromkeys(names, empty)
        | {c.USER_ROW: user, c.USER_ID: user, c.ACTIVE: True, c.BLOCKED_ROWS: row}
        for user, row in enumerate(one_way)
    ]
    return CheckContext(
        as_of=AsOf.parse("2026-01-01"),
        related=RelatedTables(
            items=pa.array(range(1, users + 1)),
            matrix=pa.Table.from_pylist(matrix, HISTORIES.arrow(Ids())),
            people=people,
        ),
    )
