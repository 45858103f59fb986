"""Made-up decisions of people about people, whose chances are known."""

from pathlib import Path

import numpy as np
from scipy.special import expit

from recsys.arrays import Floats
from recsys.matching.decisions import Decisions


def planted_decisions(
    sides: tuple[int, int], met: float, seed: int
) -> tuple[Decisions, Floats, Floats]:
    """Decisions of both sides, a share of all pairs, and (n,) chances each way.

    People differ in how readily they say yes (deviation 0.7 on the logit) and in how readily others
    do to them (1.0: there are stars); the rest is taste in two dimensions, and chance.
    """
    rng = np.random.default_rng(seed)
    first, second = sides
    one, other = np.nonzero(rng.random(sides) < met)
    chances = []
    for deciders, decided, by, about in (
        (first, second, one, other),
        (second, first, other, one),
    ):
        ready, star = rng.normal(0, 0.7, deciders), rng.normal(0, 1.0, decided)
        taste, style = rng.normal(size=(deciders, 2)), rng.normal(size=(decided, 2))
        fit = 0.4 * (taste[by] * style[about]).sum(axis=1)
        chances.append(expit(-0.6 + ready[by] + star[about] + fit))
    yes, yes_back = (rng.random(len(one)) < each for each in chances)
    return Decisions(one, first + other, yes, yes_back), chances[0], chances[1]


def write_decisions(path: Path, pairs: Decisions, *, mirrored: bool = False) -> Path:
    """As a CSV file; mirrored: each pair once from each side, as in a pool of people."""
    rows = [(pairs.one, pairs.other, pairs.yes, pairs.yes_back)]
    if mirrored:
        rows.append((pairs.other, pairs.one, pairs.yes_back, pairs.yes))
    lines = ["user,item,yes,yes_back"]
    for columns in rows:
        table = np.column_stack(columns).astype(np.int64).tolist()
        lines += [f"p{user},p{item},{yes},{back}" for user, item, yes, back in table]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_messages(path: Path, people: int, seed: int) -> Path:
    """As a CSV file: a message a row in random order, 25 first ones a person over 60 days, more to
    the popular; the quarter of the people who answer well do so within two days."""
    rng = np.random.default_rng(seed)
    known = rng.permutation(people)
    chance = 1.0 / (5.0 + known)
    rows = []
    for one in range(people):
        others = rng.choice(people, 25, replace=False, p=chance / chance.sum())
        for other in others[others != one].tolist():
            day = rng.uniform(0, 60)
            rows.append((one, other, day))
            if rng.random() < (0.9 if other % 4 == 0 else 0.1):
                rows.append((other, one, day + rng.uniform(0, 2)))
    lines = [f"p{one},p{other},{1_500_000_000 + 86_400 * day:.0f}" for one, other, day in rows]
    path.write_text("\n".join(["user,item,timestamp", *lines]) + "\n", encoding="utf-8")
    return path
