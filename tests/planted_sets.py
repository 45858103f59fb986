"""Made data sets of which it is known what is best, pure functions of a seed."""

from typing import Final

import numpy as np
import numpy.typing as npt

from recsys.dataset.training import Descriptions
from recsys.dataset.trial import DataSet
from recsys.evaluation.splits import Pairs

_DAY: Final = 86_400_000_000
_Rows = npt.NDArray[np.int64]

# Of `drift`: likes of an item a step, deviation of its appeal, what is left of that after a step,
# and variance of the likes around it.
_MEAN, _SPREAD, _KEPT, _NOISE = 2.0, 2.0, 0.98, 4.0
_STEP_DAYS: Final = 7


def drift(seed: int, *, items: int = 1_000, steps: int = 100, users: int = 6_000) -> DataSet:
    """Items whose appeal drifts: what was liked long ago says little of what will be.

    The appeal of an item follows a process of first order, its likes are that and noise, so sums of
    faded likes are the best forecast; `best_half_life` is how they should fade.
    """
    rng = np.random.default_rng(seed)
    appeal, likes = rng.normal(0.0, _SPREAD, items), np.zeros((steps, items), np.int64)
    for step in range(steps):
        drawn = _MEAN + appeal + rng.normal(0.0, np.sqrt(_NOISE), items)
        likes[step] = np.maximum(np.rint(drawn), 0.0)
        news = rng.normal(0.0, _SPREAD * np.sqrt(1.0 - _KEPT**2), items)
        appeal = _KEPT * appeal + news
    places = np.repeat(np.arange(likes.size), likes.ravel())
    when, what = np.divmod(places, items)
    return _data(rng.integers(0, users, len(when)), what, _STEP_DAYS * when, users, items)


def best_half_life() -> float:
    """Days after which a like of `drift` should count half.

    The steady state of the Kalman filter of a process of first order seen through noise (Kalman
    1960): the error before a look is P = kept^2 P R / (P + R) + Q, and what was seen fades by
    kept R / (P + R) a step.
    """
    noise, error, news = _NOISE, 1.0, _SPREAD**2 * (1.0 - _KEPT**2)
    for _ in range(1_000):
        error = _KEPT**2 * error * noise / (error + noise) + news
    return float(_STEP_DAYS * np.log(0.5) / np.log(_KEPT * noise / (error + noise)))


def tail(seed: int, exponent: float, *, users: int = 1_500, items: int = 2_000) -> DataSet:
    """Users who like items of one of ten groups: first what everybody gets to see, and at the end
    by popularity^exponent, the head of the group above 0, its long tail below."""
    rng, groups = np.random.default_rng(seed), 10
    size = items // groups
    popularity = (1.0 + np.arange(size)) ** -0.6
    parts = []
    for count, first, last, weights in (
        (12, 0, 80, popularity),
        (6, 81, 100, popularity**exponent),
    ):
        drawn = [
            rng.choice(size, count, replace=False, p=weights / weights.sum()) for _ in range(users)
        ]
        parts.append((np.array(drawn), rng.integers(first, last, (users, count))))
    places = np.concatenate([drawn for drawn, _ in parts], axis=1)
    days = np.concatenate([when for _, when in parts], axis=1)
    what = rng.integers(0, groups, (users, 1)) + groups * places
    who = np.broadcast_to(np.arange(users)[:, np.newaxis], what.shape)
    return _data(who.ravel(), what.ravel(), days.ravel(), users, items)


def order(seed: int, *, users: int = 1_000, items: int = 300, length: int = 20) -> DataSet:
    """Users who go through the items along a ring, a step a day, a tenth of the time elsewhere."""
    rng = np.random.default_rng(seed)
    ring = rng.permutation(items)
    places = rng.integers(0, items, (users, 1)) + np.arange(length)
    elsewhere = rng.random(places.shape) < 0.1
    what = np.where(elsewhere, rng.integers(0, items, places.shape), ring[places % items])
    who, days = np.divmod(np.arange(what.size), length)
    return _data(who, what.ravel(), days, users, items)


def _data(users: _Rows, items: _Rows, days: _Rows, most_users: int, most_items: int) -> DataSet:
    pairs = Pairs(users, items, np.ones(len(users), np.float32), days * _DAY)
    blank = Descriptions.blank(most_users), Descriptions.blank(most_items)
    return DataSet(pairs, *blank, np.full(most_users, -1, np.int32))
