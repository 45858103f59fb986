"""A link that only the future shows is seen by no model and no feature."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from recsys import columns as c
from recsys.dataset.matrices import holdout, training
from recsys.dataset.training import Descriptions, Training
from recsys.dataset.trial import DataSet
from recsys.evaluation.splits import Pairs, temporal
from recsys.generators.registry import GENERATORS
from recsys.ranking.features import ItemUserFeatures
from recsys.schemas import HISTORIES
from recsys.sections.ids import Ids

USERS, ITEMS, DAY = 80, 30, 86_400_000_000
SPLIT = 100 * DAY
FROM, TO = 3, 17


def pairs(*, linked: bool) -> Pairs:
    """A random past; where `linked`, everybody with one item turns to another from the split on,
    and comes back to the first one."""
    rng = np.random.default_rng(2)
    users, items = (rng.integers(0, n, 900) for n in (USERS, ITEMS))
    times = rng.integers(0, 130 * DAY, 900)
    kept = ~((items == TO) & (times >= SPLIT))
    users, items, times = users[kept], items[kept], times[kept]
    if linked:
        fans = np.unique(users[(items == FROM) & (times < SPLIT)])
        assert len(fans) > 10
        users = np.concatenate([users, fans, fans])
        items = np.concatenate([items, *(np.full(len(fans), item) for item in (TO, FROM))])
        times = np.concatenate([times, np.full(2 * len(fans), SPLIT + DAY)])
    return Pairs(users, items, np.ones(len(users), np.float32), times)


def split_training(*, linked: bool) -> Training:
    """What `recsys evaluate` fits on."""
    found = pairs(linked=linked)
    blank = Descriptions.blank(USERS), Descriptions.blank(ITEMS)
    split = temporal(found, SPLIT)
    data = DataSet(split.train, *blank, np.full(USERS, -1, np.int32))
    return data.training(split.train)


def nightly_training(*, linked: bool) -> Training:
    """What `choose_ranking` fits on: a table as of day 110, of which 10 days are the holdout."""
    found = pairs(linked=linked)
    known = found.take(found.times < SPLIT + 10 * DAY) if found.times is not None else found
    rows = []
    for user in range(USERS):
        events = known.take(known.user_rows == user)
        mine, last_times = events.merged(), events.last_times()
        assert events.times is not None
        assert mine.times is not None
        assert last_times is not None
        earlier = events.take(events.times < SPLIT)
        then = earlier.last_times()
        assert then is not None
        earlier_ages = iter(((SPLIT - then) / DAY).tolist())
        before = mine.times < SPLIT
        ages = (SPLIT + 10 * DAY - mine.times) / DAY
        rows.append(
            {
                c.USER_ROW: user,
                c.USER_ID: user,
                c.ITEM_ROWS: mine.item_rows.tolist(),
                c.WEIGHTS: mine.weights.tolist(),
                c.AGES: ages.tolist(),
                c.LAST_AGES: ((SPLIT + 10 * DAY - last_times) / DAY).tolist(),
                c.EARLIER_WEIGHTS: [1.0 if early else None for early in before.tolist()],
                c.EARLIER_LAST_AGES: [
                    next(earlier_ages) if early else None for early in before.tolist()
                ],
                c.BLOCKED_ROWS: [],
                c.ACTIVE: True,
            }
        )
    table = pa.Table.from_pylist(rows, HISTORIES.arrow(Ids()))
    blank = Descriptions.blank(ITEMS), Descriptions.blank(USERS)
    held = holdout(table, training(table, *blank, np.full(USERS, -1, np.int32)), 10)
    fans = sum((held.relevant[1] == TO).tolist())
    assert (fans > 10) == linked
    return held.training


@pytest.mark.parametrize("made", [split_training, nightly_training])
class TestFutureOnlyLink:
    def test_is_in_no_model(self, made: Callable[..., Training]) -> None:
        past, future = made(linked=False), made(linked=True)
        for module in GENERATORS.values():
            plain = module.fit(past, module.Config(), 1).arrays()
            for key, array in module.fit(future, module.Config(), 1).arrays().items():
                np.testing.assert_array_equal(array, plain[key])

    def test_is_in_no_feature(self, made: Callable[..., Training]) -> None:
        past, future = (
            ItemUserFeatures.of(made(linked=False)),
            ItemUserFeatures.of(made(linked=True)),
        )
        np.testing.assert_array_equal(past.items, future.items)
        np.testing.assert_array_equal(past.users, future.users)
