"""A night on a made-up market of people: what its lists are worth by the planted chances."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings, load_config
from jobs.sandbox.people import CONFIG, PlantedPeople, make_people, planted_people
from jobs.steps import rank_lists
from jobs.stores.models import TrainingData
from recsys import columns as c
from recsys.arrays import Ragged
from recsys.as_of import AsOf
from recsys.matching.health import Health, Outcome
from recsys.matching.lists import Balance, simultaneous_lists
from recsys.schemas import LISTS
from tests.e2e.conftest import OPEN_CONTRACTS, OPEN_GATES, Pipeline, environment_of

DAY = AsOf.parse("2026-01-01")
MARKET: Any = (600, 60, 18_000, 7, DAY)
LENGTH = 10
runner = CliRunner()


def test_lists_made_together_bring_more_matches_by_the_true_chances(
    settings: Settings, spark: SparkSession
) -> None:
    del spark
    pipeline, planted = people_pipeline(settings), planted_people(*MARKET)
    pipeline.load(make_people(*MARKET))
    arguments = pipeline.run(DAY)
    made = health(planted, pipeline.lists().items())
    check_report(settings)
    check_sides(pipeline)
    check_judged(arguments)
    check_chances(pipeline, made)
    check_newcomers(planted, pipeline.lists())
    alone = health(planted, one_sided(arguments))
    best = outcome(planted, simultaneous_lists(planted.open_market(), LENGTH, Balance(alpha=0.0)))

    # 410, 138 and 538 at this writing.
    assert made.matches > 2 * alone.matches
    assert made.matches > 0.6 * best.matches
    assert (made.unmatched or 0.0) < 0.2 * (alone.unmatched or 0.0)
    assert (made.gini_exposure or 1.0) < 0.7 * (alone.gini_exposure or 0.0)


def check_report(settings: Settings) -> None:
    """The demo's report sets the figures of both ways side by side."""
    environment = environment_of(settings) | {"RECSYS_CONFIG": str(CONFIG)}
    told = json.loads(runner.invoke(app, ["demo-report", "--json"], env=environment).stdout)
    alone, together = told["market"]["one_sided"], told["market"]["reciprocal"]
    assert together["matches"] > 2 * alone["matches"]
    shown = runner.invoke(app, ["demo-report"], env=environment).stdout
    assert f"{alone['envied']:.3f}" in shown
    assert f"{together['envied']:.3f}" in shown
    assert max(map(len, shown.partition("as estimated")[2].partition("look")[0].splitlines())) <= 80


def check_sides(pipeline: Pipeline) -> None:
    """A match is one of each of both people, of whatever gender."""
    health = "SELECT segment, expected_matches FROM recs.market_health WHERE lists = 'reciprocal'"
    matches: dict[str | None, float] = dict(pipeline.query(health))
    everybody = matches.pop(None)
    assert set(matches) == {"gender=man", "gender=woman"}
    assert sum(matches.values()) == pytest.approx(2 * everybody)


def check_judged(arguments: RunArguments) -> None:
    """Chances are learnt also from those who met people in the days held back, and liked none."""
    known = TrainingData(arguments)
    others = np.setdiff1d(known.judged(), known.holdout().users)
    assert len(others) > 5
    rows = known.histories.take(others).to_pylist()
    for row in rows:
        cells = zip(row[c.EARLIER_WEIGHTS], row[c.WEIGHTS], strict=True)
        new = [weight for earlier, weight in cells if earlier is None or np.isnan(earlier)]
        assert new
        assert not any(new)


def check_chances(pipeline: Pipeline, made: Health) -> None:
    """Likes and answers are calibrated, and what is expected is near what lists are worth."""
    rows = pipeline.query(
        "SELECT expected_matches, likes_calibration_error, answers_calibration_error "
        "FROM recs.market_health WHERE lists = 'reciprocal' AND segment IS NULL"
    )
    ((expected, *errors),) = rows
    assert max(errors) < 0.1
    assert expected == pytest.approx(made.matches / 2.0, rel=0.3)
    gated = "SELECT value FROM recs.run_metric WHERE name = 'calibration_error'"
    assert pipeline.query(gated) == [(max(errors),)]


def check_newcomers(planted: PlantedPeople, lists: Mapping[int, list[int]]) -> None:
    """Of whom only the profile is known, all who suit anybody have a list and are on one. Who is on
    theirs suits them better than those whom wishes let through."""
    people, names = planted.people, planted.ids.to_pylist()
    rows = {name: row for row, name in enumerate(names)}
    listed = [(rows[user], rows[item]) for user, items in lists.items() for item in items]
    one, other = people.suiting_pairs()
    new = np.flatnonzero(~people.known & people.active)
    new = new[np.isin(new, np.concatenate([one, other]))]
    users, items = np.array(listed).T
    assert np.isin(new, users).all()
    assert np.isin(new, items).all()

    def mutual(one: Any, other: Any) -> float:
        return float((people.chances(one, other) * people.chances(other, one)).mean())

    theirs, among = np.isin(users, new), np.isin(one, new) | np.isin(other, new)
    assert mutual(users[theirs], items[theirs]) > 1.4 * mutual(one[among], other[among])


def people_pipeline(settings: Settings) -> Pipeline:
    shipped = load_config(CONFIG)
    lists = shipped.lists.model_copy(update={"length": LENGTH, "pool": 4 * LENGTH})
    changes = {"contracts": OPEN_CONTRACTS, "gates": OPEN_GATES, "lists": lists}
    return Pipeline(settings, shipped.model_copy(update=changes))


def one_sided(arguments: RunArguments) -> Iterable[tuple[int, list[int]]]:
    """What the same models list by the one's chance alone."""
    lists = arguments.config.lists.model_copy(update={"steps": ("explore",)})
    config = arguments.config.model_copy(update={"lists": lists})
    rank_lists.main(replace(arguments, config=config))
    table = arguments.lake.as_of(LISTS.name, arguments.as_of).read(LISTS, config.ids)
    return zip(table[c.USER_ID].to_pylist(), table[c.ITEM_IDS].to_pylist(), strict=True)


def health(planted: PlantedPeople, lists: Iterable[tuple[int, list[int]]]) -> Health:
    """Figures of lists by the planted chances. Fails where a pair is listed that must not be: one
    that breaks a wish or has an end, or with whom one has dealt already."""
    market, known = planted.open_market(), dict(lists)
    rows = {name: row for row, name in enumerate(planted.ids.to_pylist())}
    found = [[rows[item] for item in known.get(name, [])] for name in rows]
    listed = Ragged.of_lengths(np.array([*map(len, found)]), np.concatenate(found).astype(np.int64))
    there, wanted = market.candidates.pairs(), listed.pairs()
    places = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    assert (there[places] == wanted).all()
    assert not market.said[places].any()
    assert (market.likes[places] > 0).all()
    return outcome(planted, Ragged(listed.offsets, places))


def outcome(planted: PlantedPeople, places: Ragged) -> Health:
    return Outcome(planted.open_market(), places).health(planted.people.active, 100, 1)
