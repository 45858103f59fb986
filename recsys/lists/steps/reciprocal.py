"""Lists of people for people, made for the whole market: both must want it, nobody may drown.

Where both see lists, the best list of one depends on the lists of all others, so all are made
together. Where one sees a list and the other an inbox, each list can be made by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit

from recsys.arrays import Floats, Mask, Ragged, UserRows, offsets_of, ranges
from recsys.evaluation.run_metrics import RunMetric
from recsys.generators.contract import Arrays
from recsys.lists.contract import HeldBack, JointPools, Recipients, Scope, StepConfig, StepContext
from recsys.lists.ranked import RankedLists
from recsys.matching.health import Health, Outcome
from recsys.matching.lists import Balance, Mean, inbox_lists, simultaneous_lists
from recsys.matching.pools import PoolChances, PooledMarket, people_of
from recsys.ranking.scoring import blas_on_one_thread

if TYPE_CHECKING:
    from recsys.matching.calibration import Calibrated

SCOPE: Final[Scope] = "joint"
STRANGERS: Final = 5
"""People drawn at random who are in each pool beside the best."""
FIGURES: Final = tuple(field.name for field in fields(Health))
"""Of a market, in the order of the facts."""
_LABELS: Final = ("one_sided", "reciprocal")
_NAMES: Final = {
    "matches": "expected_matches",
    "unmatched": "unmatched_share",
    "match_rate": "match_rate",
    "gini_matches": "gini_matches",
    "gini_exposure": "gini_people_exposure",
    "top_share": "top_1_percent_of_people",
    "envied": "envied_others",
    "nash": "nash_welfare",
    "unseen": "unseen_share",
    "demand": "demand_over_supply",
}
"""Of the figures, as runs have them."""
_ERRORS: Final = ("calibration_error_of_likes", "calibration_error_of_answers")
"""Of both directions, as runs have them."""
_ENVIOUS: Final = 500
"""People whose envy is counted."""
_FEWEST: Final = 20
"""Yeses on the holdout below which scores cannot be calibrated."""


class Config(StepConfig):
    """How the lists of a market of people are made together."""

    mode: Literal["simultaneous", "inbox"] = "simultaneous"
    """Whether both see lists, or one a list and the other an inbox."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Fairness between people: 0 gives most matches, 1 the highest product of everybody's."""
    rounds: Annotated[int, Field(ge=1, le=100)] = 10
    """Times that everybody's list is made anew, where both see lists."""
    rate: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of what is new in the attention after a round."""
    inbox_by: Mean = "product"
    """Score of a pair, where one sees a list: the chance of a yes, the product or the harmonic mean
    of both chances."""
    capacity: Annotated[int, Field(gt=0)] | None = None
    """Lists that a person is on at most, where the other has an inbox."""


def plan(pools: JointPools, context: StepContext, config: Config) -> Arrays:
    """Everybody's list, and figures of the market.

    Gives `offsets` (all users + 1,) and `items` (entries,) of the lists, best first, `mutual`
    (entries,) the chance that both say yes; `one_sided` and `reciprocal`, the `FIGURES` of lists by
    the one's chance alone and of these, NaN where there is nothing. Names of `segments` (s,), and
    (s, FIGURES) the same of each as `one_sided_segments` and `reciprocal_segments`. `calibration`
    (2,) see `Directions.errors`.
    """
    people, (lists, users) = people_of(context.training), pools.joined()
    said = (context.training.liked() > 0).tocsr()
    everybody = _of_everybody(lists.items, users.rows, len(people.items))
    directions = Directions.of(context)
    keys = np.zeros(len(people.items), np.uint64)
    keys[users.rows] = users.keys
    found = PooledMarket.of(
        everybody,
        directions.chances(lists.scores),
        people,
        said,
        keys,
        either_first=config.mode == "simultaneous",
    )
    made = _made(found, context.length, config)
    alone = inbox_lists(found.market, context.length, "likes")
    entries = found.listed(made)
    return {
        "offsets": entries.offsets,
        "items": lists.item_rows[entries.values],
        "mutual": found.market.mutual()[made.values],
        **_figures("one_sided", Outcome(found.market, alone), users, context),
        **_figures("reciprocal", Outcome(found.market, made), users, context),
        "segments": np.array([*context.segments], np.str_),
        "calibration": directions.errors(),
    }


def _made(found: PooledMarket, length: int, config: Config) -> Ragged:
    if config.mode == "inbox":
        return inbox_lists(found.market, length, config.inbox_by, config.capacity)
    balance = Balance(config.alpha, config.rounds, config.rate)
    return simultaneous_lists(found.market, length, balance)


def metrics(facts: Arrays) -> list[RunMetric]:
    """Figures of the market: of these lists, and of lists by what each person alone wants.

    Those of a segment have its name as band.
    """
    found = [
        RunMetric(name, value, band, label)
        for label in _LABELS
        for band, figures in _of_bands(facts, label)
        for name, value in figures.items()
    ]
    errors = _of_calibration(facts)
    return found + [RunMetric(name, value, label=_LABELS[-1]) for name, value in errors.items()]


def _of_bands(facts: Arrays, label: str) -> Iterator[tuple[str | None, dict[str, float]]]:
    yield None, _of_market(facts[label])
    for name, figures in zip(facts["segments"], facts[f"{label}_segments"], strict=True):
        yield str(name), _named(figures)


def expected(facts: Arrays) -> Mapping[str, float]:
    """See `JointStep`. Of directions and segments it is the worst that counts."""
    errors, found = _of_calibration(facts), _of_market(facts[_LABELS[-1]])
    demand = facts[f"{_LABELS[-1]}_segments"][:, FIGURES.index("demand")]
    if len(demand := demand[~np.isnan(demand)]):
        found[_NAMES["demand"]] = float(demand.max())
    if errors:
        found["calibration_error"] = max(errors.values())
    return found


def _of_calibration(facts: Arrays) -> dict[str, float]:
    """Expected calibration errors that are known, by the names that runs have them under."""
    found = zip(_ERRORS, facts["calibration"].tolist(), strict=True)
    return {name: error for name, error in found if not np.isnan(error)}


def _of_market(figures: Floats) -> dict[str, float]:
    """Figures of everybody: a match is of two, and all attention that is given somebody gets."""
    found = _named(figures)
    found["expected_matches"] /= 2.0
    found.pop(_NAMES["demand"], None)
    return found


def _named(figures: Floats) -> dict[str, float]:
    """(FIGURES,) figures by the names that runs have them under."""
    found = zip(FIGURES, figures.tolist(), strict=True)
    return {_NAMES[name]: value for name, value in found if not np.isnan(value)}


def summary(facts: Arrays) -> str:
    """See `Reporting`."""
    alone, made = (_of_market(facts[label]) for label in _LABELS)
    return (
        f"{made['expected_matches']:.1f} matches to be expected, {alone['expected_matches']:.1f} "
        f"if lists went by what each person wants alone; {made['unmatched_share']:.1%} can expect "
        f"none, {alone['unmatched_share']:.1%} could"
    )


def remark(facts: Arrays, item: int, before: int | None, after: int | None) -> str:  # noqa: ARG001
    """See `Reporting`."""
    if before is not None and after is None:
        return "others are likelier to say yes too, or more in need of being seen"
    return ""


def apply(
    lists: RankedLists,
    users: Recipients,
    facts: Arrays,
    config: Config,  # noqa: ARG001 - the facts have what it came to
) -> RankedLists:
    """Each pool in the order of the user's list, with the chance that both say yes as score; what
    is not on it is left out."""
    chosen, wanted = _entries(facts, users.rows), listed(users.rows, facts).pairs()
    pool = lists.items.pairs()
    there = np.isin(wanted, pool)
    order = np.argsort(pool)
    entries = order[np.searchsorted(pool, wanted[there], sorter=order)]
    lengths = np.bincount(chosen.lines()[there], minlength=len(users.rows))
    made = lists.entries(offsets_of(lengths), entries)
    return made.scored(facts["mutual"][chosen.values[there]].astype(np.float32))


def listed(users: UserRows, facts: Arrays) -> Ragged:
    """See `JointStep`."""
    chosen = _entries(facts, users)
    return Ragged(chosen.offsets, facts["items"][chosen.values])


def _entries(facts: Arrays, users: UserRows) -> Ragged:
    """The places of some users' lists in the facts."""
    return ranges(facts["offsets"][users], np.diff(facts["offsets"])[users])


@dataclass(frozen=True)
class Directions:
    """Scores of ranking as chances: to turn to somebody, and to answer who has turned to one."""

    likes: "Calibrated | None"
    """None where next to nobody said yes, or no: chances rise with the score as a logistic curve
    does."""
    answers: "Calibrated | None"
    """None: as `likes`."""

    @classmethod
    def of(cls, context: StepContext) -> Self:
        """Calibrated on the holdout.

        Likes on whom a user met in the days held back, unless that one had turned to the user
        first; where it is not known whom they met without a yes, on all in their pools. Answers on
        those who had, and were met; or on all of them.
        """
        if context.held_back is None:
            return cls(None, None)
        held = _Decisions.of(context.held_back())
        asked = held.asked
        return cls(
            held.calibrated(held.met & ~asked, context.seed)
            or held.calibrated(~asked, context.seed),
            held.calibrated(held.met & asked, context.seed) or held.calibrated(asked, context.seed),
        )

    def chances(self, scores: npt.NDArray[np.float32]) -> PoolChances:
        """Chances by (n,) score."""
        exact = scores.astype(np.float64)
        if self.likes is None:
            likes = np.asarray(expit(exact))
        else:
            likes = self.likes.calibration.chances(exact)
        if self.answers is None:
            return PoolChances(likes, likes)
        return PoolChances(likes, self.answers.calibration.chances(exact))

    def errors(self) -> Floats:
        """(2,) expected calibration error of likes and of answers, NaN where there is none."""
        both = (self.likes, self.answers)
        return np.array([np.nan if each is None else each.error for each in both])


@dataclass(frozen=True)
class _Decisions:
    """What people said of those in their pools in the days held back. All arrays are (n,)."""

    scores: Floats
    met: Mask
    """Whether the user met the person."""
    asked: Mask
    """Whether the person had turned to the user first."""
    yes: Mask
    """Whether the user turned to the person."""

    @classmethod
    def of(cls, held: HeldBack) -> Self:
        lists = RankedLists.joined([lists for lists, _ in held.chunks])
        pairs = lists.items.pairs()
        found = [np.isin(pairs, each.pairs()) for each in (held.met, held.asked, held.relevant)]
        return cls(lists.scores.astype(np.float64), *found)

    def calibrated(self, which: Mask, seed: int) -> "Calibrated | None":
        """By some of them; None where too few of these are yeses or noes."""
        yes = self.yes[which]
        if min(yes.sum(), (~yes).sum()) < _FEWEST:
            return None
        # Tasks of Spark load this module, and scikit-learn takes its time.
        from recsys.matching.calibration import Calibrated  # noqa: PLC0415

        # Sums by several threads differ in their last bits.
        with blas_on_one_thread():
            return Calibrated.fit(self.scores[which], yes, seed)


def _of_everybody(lists: Ragged, rows: Any, users: int) -> Ragged:
    """Lists of all users; those without one have an empty list."""
    lengths = np.zeros(users, np.int64)
    lengths[rows] = lists.lengths
    return Ragged.of_lengths(lengths, lists.values)


def _figures(label: str, outcome: Outcome, users: Recipients, context: StepContext) -> Arrays:
    """(FIGURES,) of everybody with a list, and (s, FIGURES) of the segments."""
    listed = np.zeros(outcome.market.people, np.bool_)
    listed[users.rows] = True
    # Envy is counted in the square of the people, so once.
    return {
        label: _row(outcome.health(listed, _ENVIOUS, context.seed)),
        f"{label}_segments": np.array(
            [
                _row(outcome.health(listed & (context.training.segments == number), 0, 0))
                for number in context.segments.values()
            ]
        ).reshape(-1, len(FIGURES)),
    }


def _row(health: Health) -> Floats:
    return np.array([np.nan if value is None else value for value in astuple(health)])
