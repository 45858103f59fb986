"""Which earlier choice a night has to beat, and that a date made again has to beat the same one."""

from dataclasses import replace

from jobs.run.entrypoint import RunArguments
from jobs.stores.models import write_policy
from jobs.stores.nights import standing_choice
from recsys.as_of import AsOf
from recsys.dataset.bands import BANDS
from recsys.nights import Night
from recsys.ranking.policy import BandPolicy, RankingPolicy, Standing

D1, D2, D3 = (AsOf.parse(f"2026-01-0{n}") for n in (1, 2, 3))


def made(weight: float, standing: Standing | None = None) -> RankingPolicy:
    weights = (weight, 1.0)
    order = BandPolicy(method="sum", weights=weights, validation={}, users=0, reason="")
    return RankingPolicy(
        generators=("a", "b"),
        orders=dict.fromkeys(BANDS, order),
        base=(1.0, 1.0),
        standing=standing,
    )


def keep(
    arguments: RunArguments, day: AsOf, choice: RankingPolicy, night: Night | None = None
) -> None:
    own = night or Night(fingerprint=arguments.config.lists_fingerprint())
    write_policy(arguments.lake, day, choice, own)


def found(arguments: RunArguments) -> Standing | None:
    return standing_choice(arguments, arguments.config.lists_fingerprint())


def test_the_latest_earlier_choice_stands(arguments: RunArguments) -> None:
    assert found(arguments) is None
    keep(arguments, D1, made(1.0))
    keep(arguments, D2, made(2.0))
    keep(arguments, AsOf.parse("2026-01-04"), made(4.0))
    assert found(arguments) == made(2.0).stands(D2)


def test_a_choice_of_another_configuration_does_not_stand(arguments: RunArguments) -> None:
    keep(arguments, D1, made(1.0))
    keep(arguments, D2, made(2.0), Night(fingerprint="other"))
    assert found(arguments) == made(1.0).stands(D1)


def test_a_date_made_again_has_to_beat_what_it_had_to_beat(arguments: RunArguments) -> None:
    keep(arguments, D1, made(1.0))
    first = found(arguments)
    keep(arguments, D3, made(3.0, first))
    keep(arguments, D2, made(2.0))  # a backfill in between
    assert found(arguments) == first
    assert found(replace(arguments, full=True)) == first
    keep(arguments, D3, made(3.0, None))
    assert found(arguments) is None


def test_a_backfilled_date_depends_on_no_other(arguments: RunArguments) -> None:
    keep(arguments, D2, made(2.0))
    assert found(replace(arguments, full=True)) is None


def test_a_choice_that_was_taken_over_was_not_made(arguments: RunArguments) -> None:
    fingerprint = arguments.config.lists_fingerprint()
    keep(arguments, D1, made(1.0))
    taken = Night(fingerprint=fingerprint, base=D1, previous=D1)
    keep(arguments, D2, made(1.0), taken)
    keep(arguments, D3, made(1.0), taken)
    assert found(arguments) == made(1.0).stands(D2)
