"""Which tuning a night uses, that it uses the same again, and what a tuning says for itself."""

import tomllib
from dataclasses import replace

import pytest

from jobs.lake.facts import TuningFacts
from jobs.run.entrypoint import RunArguments
from jobs.stores.tunings import (
    Sections,
    night_tuning,
    settle_tuning,
    standing_tuning,
    tuning_partition,
    with_night_tuning,
    with_tuned,
    write_tuning,
)
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import ConfigError, MissingPartitionError
from recsys.generators import als
from recsys.generators.registry import Generators
from recsys.sections.tuning import Tuning

D1, D2, D3 = (AsOf.parse(f"2026-01-0{n}") for n in (1, 2, 3))


def keep(arguments: RunArguments, day: AsOf, factors: int) -> None:
    sections: Sections = {"als": {"factors": factors}}
    facts = TuningFacts(taken=("als",), remarks={"als": "taken: gain +0.01"})
    write_tuning(replace(arguments, as_of=day), sections, facts)


def night(arguments: RunArguments) -> int:
    """Factors that a night is made with."""
    if not night_tuning(arguments.lake, arguments.as_of).exists():
        settle_tuning(arguments, standing_tuning(arguments))
    return int(
        with_night_tuning(arguments).config.generators.section("als").model_dump()["factors"]
    )


def test_a_night_uses_the_latest_tuning_before_it_and_the_same_again(
    arguments: RunArguments,
) -> None:
    configured = als.Config().factors
    first = replace(arguments, as_of=D1)
    assert night(first) == configured
    keep(arguments, D1, 96)
    second = replace(arguments, as_of=D2)
    assert night(second) == 96
    keep(arguments, D2, 256)
    assert night(arguments) == 256
    keep(arguments, D1, 999)
    assert [night(each) for each in (first, second, arguments)] == [configured, 96, 256]


def test_a_tuning_is_not_for_the_night_that_it_was_made_on(arguments: RunArguments) -> None:
    keep(arguments, D2, 96)
    keep(arguments, D3, 256)
    assert standing_tuning(arguments) == D2


def test_a_changed_tuning_changes_the_fingerprint_and_no_change_does_not(
    arguments: RunArguments,
) -> None:
    keep(arguments, D1, 96)
    keep(arguments, D2, 96)
    settle_tuning(arguments, D1)
    before = with_night_tuning(arguments).config.lists_fingerprint()
    settle_tuning(arguments, D2)
    assert with_night_tuning(arguments).config.lists_fingerprint() == before
    assert arguments.config.lists_fingerprint() != before


def test_going_back_by_the_configuration(arguments: RunArguments) -> None:
    keep(arguments, D1, 96)
    keep(arguments, D2, 256)

    def used(tuning: Tuning) -> AsOf | None:
        config = arguments.config.model_copy(update={"tuning": tuning})
        return standing_tuning(replace(arguments, config=config))

    assert used(Tuning()) == D2
    assert used(Tuning(use=D1)) == D1
    assert used(Tuning(use="none")) is None


def test_a_pinned_tuning_that_is_not_there_stops_the_night(arguments: RunArguments) -> None:
    with pytest.raises(MissingPartitionError, match="tuning as of 2026-01-01"):
        settle_tuning(arguments, D1)


def test_what_the_configuration_says_goes_first(config: Config) -> None:
    own = Generators.model_validate({"als": {"factors": 32}})
    sections: Sections = {"als": {"factors": 256, "alpha": 9.0}}
    changed = with_tuned(config.model_copy(update={"generators": own}), sections, "tuning")
    section = changed.generators.section("als").model_dump()
    assert (section["factors"], section["alpha"]) == (32, 9.0)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"bpr": {"factors": 8}}, "tuning as of 2026-01-01: there is no generator bpr"),
        ({"als": {"rank": 8}}, r"tuning as of 2026-01-01: field generators\.als\.rank"),
        ({"als": {"factors": -1}}, r"tuning as of 2026-01-01: field generators\.als\.factors"),
    ],
)
def test_parameters_that_are_none_of_todays_are_one_clear_error(
    sections: Sections, message: str, config: Config
) -> None:
    with pytest.raises(ConfigError, match=message):
        with_tuned(config, sections, "tuning as of 2026-01-01")


def test_the_file_can_be_read_by_people_and_words_come_back(arguments: RunArguments) -> None:
    sections: Sections = {"trending": {"half_life_days": "never"}, "als": {"alpha": 2.5}}
    remarks = {"trending": "as of 2026-01-02, taken", "als": "as of 2026-01-01, taken"}
    write_tuning(replace(arguments, as_of=D2), sections, TuningFacts(remarks=remarks))
    (file,) = tuning_partition(arguments.lake, D2).files()
    text = file.path.read_text(encoding="utf-8")
    assert text.startswith("# Tuned as of 2026-01-02, seed ")
    assert "# as of 2026-01-01, taken\n[generators.als]\nalpha = 2.5\n" in text
    assert tomllib.loads(text)["generators"]["trending"] == {"half_life_days": "never"}
