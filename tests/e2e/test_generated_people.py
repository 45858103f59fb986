"""Generated markets of people, published by whole nights: no pair breaks a rule of either.

`make chaos` publishes 100 of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from upath import UPath

from jobs.sandbox.market import BLOCKS, EVENTS, INTERACTIONS, ITEMS, USERS, Market
from recsys.generators.registry import GENERATORS, Generators
from recsys.lists.registry import ListSteps
from recsys.sections.lists import Lists
from recsys.sections.nights import Nights
from recsys.sections.ranking import Ranking
from tests.e2e.conftest import OPEN_GATES, Pipeline
from tests.e2e.inputs import DAY, at, table
from tests.e2e.people_sources import document, of_people
from tests.wishes import PROFILES, RULES, Profile, permitted

FEW: Final = Generators.model_validate(
    {name: {"weight": float(name in ("content", "popularity"))} for name in GENERATORS}
)
STEPS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"reciprocal": {"mode": "simultaneous"}},
    {"reciprocal": {"mode": "inbox", "capacity": 2}},
)
ENDS: Final = ("block", "pass", "match")
Pairs = dict[tuple[int, int], str]


@dataclass(frozen=True)
class Example:
    """A market, and how its lists are made."""

    rules: list[str]
    profiles: Mapping[int, Profile]
    ended: Pairs
    """What has ended some pairs."""
    turned: Pairs
    """Whom people have turned to or looked at."""
    inactive: set[int]
    steps: dict[str, Any]
    length: int

    def market(self) -> Market:
        likes = [pair for pair, kind in self.turned.items() if kind == "like"]
        done = {**self.turned, **self.ended}
        others = [(*pair, kind) for pair, kind in done.items() if kind not in ("like", "block")]
        blocks = [pair for pair, kind in self.ended.items() if kind == "block"]
        events = [(*row, None, at(day), at(day)) for day, row in enumerate(others, 1)]
        interactions = [
            (*pair, "like", None, at(day), at(day)) for day, pair in enumerate(likes, 1)
        ]
        users = [(p, f"person {p}", p not in self.inactive, at(90)) for p in self.profiles]
        return Market(
            users=table(USERS, users),
            items=table(ITEMS, []),
            interactions=table(INTERACTIONS, interactions),
            blocks=table(BLOCKS, [(*pair, at(50)) for pair in blocks]),
            events=table(EVENTS, events),
            item_profiles=[],
            user_profiles=[document(p, profile) for p, profile in self.profiles.items()],
            as_of=DAY,
        )

    def may_be_shown(self, one: int, other: int) -> bool:
        """Taken at its word."""
        rules = {name: RULES[name] for name in self.rules}
        return (
            one != other
            and other not in self.inactive
            and not {(one, other), (other, one)} & self.ended.keys()
            and (one, other) not in self.turned
            and permitted(rules, self.profiles[one], self.profiles[other])
        )


@st.composite
def examples(draw: st.DrawFn) -> Example:
    profiles = dict(enumerate(draw(st.lists(PROFILES, min_size=6, max_size=14)), 1))
    pairs = [(a, b) for a in profiles for b in profiles if a != b]
    kinds = draw(st.permutations(pairs))
    ended = dict(zip(kinds, draw(st.lists(st.sampled_from(ENDS), max_size=6)), strict=False))
    rest = kinds[len(ended) :]
    # Somebody has to like somebody, or there is no night.
    turned = ["like", *draw(st.lists(st.sampled_from(("like", "view")), max_size=20))]
    return Example(
        rules=draw(st.lists(st.sampled_from(sorted(RULES)), unique=True)),
        profiles=profiles,
        ended=ended,
        turned=dict(zip(rest, turned, strict=False)),
        inactive=draw(st.sets(st.sampled_from([*profiles]), max_size=2)),
        steps=draw(st.sampled_from(STEPS)),
        length=draw(st.integers(1, 8)),
    )


WOMEN: Final = {"gender": ["f"], "seeks": ["f"]}
MEN: Final = {"gender": ["m"], "seeks": ["f"]}
ONE_WAY: Final = Example(
    rules=["orientation"],
    profiles={1: WOMEN, 2: WOMEN, 3: WOMEN, 4: WOMEN, 5: WOMEN, 6: MEN, 7: MEN},
    ended={(1, 2): "block", (3, 4): "pass"},
    turned={(3, 1): "like", (2, 3): "like", (5, 3): "like"},
    inactive=set(),
    steps={},
    length=8,
)
"""A market in which rules that held one way only would show women to men."""


def test_no_published_pair_breaks_a_rule(
    pipeline: Pipeline, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    published, entries = 0, 0

    @settings(
        max_examples=100 if request.config.getoption("--chaos") else 1,
        deadline=None,
        database=None,
        derandomize=True,
        # A night takes seconds, and the first that fails says enough.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples())
    @example(ONE_WAY)
    def holds(market: Example) -> None:
        nonlocal published, entries
        lists = night(pipeline, market, tmp_path / f"lake-{published}")
        assert set(lists) == market.profiles.keys() - market.inactive
        for person, row in lists.items():
            assert len(row) == len(set(row)) <= market.length
            assert all(market.may_be_shown(person, other) for other in row)
        published += 1
        entries += sum(map(len, lists.values()))

    holds()
    assert entries > 2 * published


def night(pipeline: Pipeline, example: Example, lake: Path) -> dict[int, list[int]]:
    """The lists that a night publishes of an example, into a lake of its own."""
    config = of_people(
        pipeline.config,
        {name: RULES[name] for name in example.rules},
        lists=Lists(length=example.length, pool=8, steps=(*example.steps, "explore")),
        list_steps=ListSteps.model_validate(
            {"explore": {"slots": 1, "first_place": 1}, **example.steps}
        ),
        generators=FEW,
        ranking=Ranking(method="sum"),
        nights=Nights(full_every=1),
        gates=OPEN_GATES,
    )
    fresh = Pipeline(pipeline.settings.model_copy(update={"lake": UPath(lake)}), config)
    fresh.load(example.market())
    fresh.run(DAY)
    return fresh.lists()
