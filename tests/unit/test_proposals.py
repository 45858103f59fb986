"""Settings to try: the order of what matters, steps as long as they gain, nothing twice."""

from collections.abc import Callable, Sequence
from itertools import islice

import pytest

from recsys.generators.contract import Search, Span
from recsys.tuning.proposals import Measured, Setting, goes_on, propose

SEARCH: Search = {
    "half_life": Span(1.0, 64.0, log=True, words=("never", "auto")),
    "factors": (16, 32, 64, 128),
    "exponent": Span(0.0, 0.6),
}
PRESENT: Setting = {"half_life": "auto", "factors": 16, "exponent": 0.3}


def tried(
    measure: Callable[[Setting], float], count: int, guesses: Sequence[Setting] = ()
) -> list[Setting]:
    """The first settings, each measured on the last of two rungs."""
    proposals = propose(SEARCH, PRESENT, guesses, seed=3)
    found = [next(proposals)]
    while len(found) < count:
        found.append(proposals.send((0.0, measure(found[-1]))))
    return found


def closeness(setting: Setting) -> float:
    """Best at a half-life of 8, 64 factors and an exponent of 0.42."""
    words = {"auto": 30.0, "never": 1000.0}
    half_life, factors, exponent = (
        float(words.get(str(setting[key]), setting[key])) for key in SEARCH
    )
    return -abs(half_life - 8.0) / 1e4 - abs(factors - 64) - 100 * abs(exponent - 0.42)


def test_each_parameter_in_its_turn_goes_on_in_steps_while_it_gains() -> None:
    steps = tried(closeness, 12)
    assert steps[0] == PRESENT
    half_lives = [setting["half_life"] for setting in steps[:7]]
    assert half_lives == ["auto", "never", 2.0, 8.0, 32.0, 16.0, 4.0]
    assert [setting["factors"] for setting in steps[7:10]] == [32, 64, 128]
    assert [setting["exponent"] for setting in steps[10:12]] == [0.4, 0.5]
    assert {setting["half_life"] for setting in steps[7:12]} == {8.0}


@pytest.mark.parametrize(
    ("values", "present", "up", "down"),
    [(Span(0.0, 0.6), 0.29, 0.4, 0.2), (Span(1.0, 64.0, log=True), 9.0, 16.0, 4.0)],
)
def test_no_step_is_too_short_to_tell_anything(
    values: Span, present: float, up: float, down: float
) -> None:
    proposals = propose({"x": values}, {"x": present}, (), seed=1)
    found = [next(proposals)["x"], *(proposals.send((0.0,))["x"] for _ in range(2))]
    assert found == [present, up, down]


def test_after_the_steps_the_best_comes_nearer_and_nothing_is_tried_twice() -> None:
    steps = tried(closeness, 60)
    assert all(setting not in steps[:place] for place, setting in enumerate(steps))
    assert max(map(closeness, steps)) > max(map(closeness, steps[:12]))


def test_guesses_come_first_with_the_present_values_of_the_others() -> None:
    steps = tried(closeness, 3, [{"factors": 64}, PRESENT])
    assert steps[1] == {**PRESENT, "factors": 64}
    assert steps[2] == {**PRESENT, "factors": 64, "half_life": "never"}


def test_the_same_seed_and_measurements_give_the_same_settings() -> None:
    assert tried(closeness, 40) == tried(closeness, 40)


def test_a_search_ends_where_everything_was_tried() -> None:
    proposals = propose({"factors": (16, 32, 64)}, {"factors": 16}, (), seed=1)
    found = [next(proposals), proposals.send((1.0,)), proposals.send((2.0,))]
    assert found == [{"factors": 16}, {"factors": 32}, {"factors": 64}]
    with pytest.raises(StopIteration):
        proposals.send((3.0,))


def test_a_present_value_outside_the_search_is_left_for_one_inside() -> None:
    proposals = propose({"exponent": Span(0.0, 0.6)}, {"exponent": 0.9}, (), seed=1)
    found, measured = [next(proposals)], list[Measured]()
    for _ in islice(range(15), 15):
        measured.append((-float(found[-1]["exponent"]),))
        found.append(proposals.send(measured[-1]))
    assert found[1] == {"exponent": 0.6}
    assert all(0.0 <= float(setting["exponent"]) <= 0.6 for setting in found[1:])


def test_a_third_goes_to_the_next_rung() -> None:
    assert goes_on(0.1, [])
    assert not goes_on(0.1, [0.2])
    assert goes_on(0.1, [0.2, 0.05, 0.0])
    assert not goes_on(0.1, [0.1, 0.1, 0.1])
