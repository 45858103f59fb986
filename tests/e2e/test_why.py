"""Reasons of a night on MovieLens, checked against the sources and what the night left."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from jobs.app.why import Answer, ExplainedRun, Pair
from jobs.lake.files import remove
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.importers.movielens import read_movielens
from jobs.sinks.postgres.reasons import AskedRun, asked_run, kept_reason
from jobs.stores.models import TrainingData, model_partition, read_model, read_policy
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import MissingPartitionError
from recsys.generators.contract import Explains, Model
from recsys.lists.registry import ListSteps
from recsys.sections.contracts import Contracts
from tests.e2e.conftest import Pipeline

DAY = AsOf.parse("2016-11-01")
LISTED, UNLISTED = 1000, 200
LENGTH = 100
EXPLORING = ListSteps.model_validate({"explore": {"slots": 2}})
BLOCKED = 2571
BLOCK = "INSERT INTO market.blocks SELECT user_id, %s, '2016-01-01' FROM market.users RETURNING 1"
INACTIVE = 15
LEAVE = "UPDATE market.users SET active = false WHERE user_id = %s RETURNING 1"
RETIRE = "UPDATE market.items SET available = false WHERE item_id %% 10 = 7 RETURNING item_id"
NEAR = 1e-4
"""Between sums of standardised scores that rounding may put in another order."""


class Night:
    """A night, and what it left, each read once."""

    def __init__(self, pipeline: Pipeline, run: RunArguments, gone: set[int]) -> None:
        self.pipeline, self.run, self.gone = pipeline, run, gone
        self.known, self.policy = TrainingData(run), read_policy(run.lake, DAY)
        self.lists = pipeline.lists()
        self.seen = defaultdict(set)
        for user, item in pipeline.query("SELECT user_id, item_id FROM market.interactions"):
            self.seen[user].add(item)

    @cached_property
    def models(self) -> dict[str, Model]:
        return {name: read_model(self.run.lake, name, DAY) for name in self.policy.generators}

    @cached_property
    def items(self) -> list[int]:
        return list(self.known.items[c.ITEM_ID].to_pylist())

    @cached_property
    def rows(self) -> dict[int, int]:
        return {user: row for row, user in enumerate(self.known.histories[c.USER_ID].to_pylist())}

    def asked(self, explained: ExplainedRun, user: int, item: int) -> Answer:
        uri = self.pipeline.settings.require_postgres()
        kept = kept_reason(uri, str(user), str(item), 1)
        return explained.answer(Pair(user, item), kept)

    def sums(self, user: int) -> dict[int, float]:
        """The weighted sum of standardised scores of every item that a user may get."""
        orders = {order.weights for order in self.policy.orders.values()}
        total = np.zeros(len(self.items))
        for weight, (name, model) in zip(*orders, self.models.items(), strict=True):
            scores = model.scores(np.array([self.rows[user]]))[0].astype(np.float64)
            offered = scores[self.known.available]
            if offered.std() > 1e-6 * abs(offered.mean()) and name not in self.policy.left_out:
                total += weight * (scores - offered.mean()) / offered.std()
        barred = self.seen[user] | self.gone | {BLOCKED}
        pairs = zip(self.items, total.tolist(), strict=True)
        return {item: total for item, total in pairs if item not in barred}


@pytest.fixture
def night(pipeline: Pipeline, shared_data: Path) -> Night:
    pipeline.load(read_movielens(shared_data / "ml-latest-small"))
    pipeline.query(BLOCK, (BLOCKED,))
    pipeline.query(LEAVE, (INACTIVE,))
    gone = {item for (item,) in pipeline.query(RETIRE, ())}
    run = pipeline.run(DAY, list_steps=EXPLORING, contracts=Contracts())
    return Night(pipeline, run, gone)


def test_reasons_are_those_of_the_artifacts(night: Night, environment: dict[str, str]) -> None:
    """One story, because a night takes long."""
    with threadpool_limits(1):
        check_contributions(night)
        check_what_dropped_pairs(night)
    check_what_is_kept(night)
    check_commands(night, environment)
    check_what_is_gone(night)


def check_contributions(night: Night) -> None:
    pairs = [(user, item) for user, items in night.lists.items() for item in items]
    rng, places = np.random.default_rng(1), {item: row for row, item in enumerate(night.items)}
    for at in rng.choice(len(pairs), LISTED, replace=False).tolist():
        user, item = night.rows[pairs[at][0]], places[pairs[at][1]]
        for name, off in (("als", 1e-4), ("graph", 1e-6), ("item_item", 1e-6)):
            model = night.models[name]
            assert isinstance(model, Explains)
            _, parts = model.contributions(user, np.array([item]))
            score = float(model.scores(np.array([user]))[0, item])
            assert parts.sum() == pytest.approx(score, rel=1e-5, abs=off), name


def check_what_dropped_pairs(night: Night) -> None:
    """Random pairs, and for some users the first that did not make it."""
    rng, explained, rules = np.random.default_rng(2), ExplainedRun(night.run, run_of(night)), set()
    users = rng.choice(sorted(night.lists), UNLISTED).tolist()
    for number, user in enumerate(users):
        unlisted = sorted(set(night.items) - set(night.lists[user]))
        item = int(rng.choice(unlisted))
        if number % 4 == 0:
            sums = night.sums(user)
            item = max(set(sums) - set(night.lists[user]), key=sums.__getitem__)
        verdict = night.asked(explained, user, item).verdict
        rules.add(verdict.partition(":")[0])
        check_verdict(night, user, item, verdict)
    assert rules == {"seen", "unavailable", "ranking", "list step explore"}
    user = next(user for user in users if BLOCKED not in night.seen[user])
    assert night.asked(explained, user, BLOCKED).verdict.startswith("blocked: ")
    assert night.asked(explained, INACTIVE, min(night.items)).verdict.startswith("inactive: ")
    assert night.asked(explained, 10**9, 1).verdict.startswith("unknown user: ")
    assert night.asked(explained, user, 10**9).verdict.startswith("unknown item: ")


def check_verdict(night: Night, user: int, item: int, verdict: str) -> None:
    if item in night.seen[user]:
        assert verdict.startswith("seen: ")
    elif item == BLOCKED:
        assert verdict.startswith("blocked: ")
    elif item in night.gone:
        assert verdict.startswith("unavailable: ")
    else:
        sums = night.sums(user)
        least = 1 + sum(total > sums[item] + NEAR for total in sums.values())
        most = sum(total >= sums[item] - NEAR for total in sums.values())
        if most <= LENGTH:
            (place,) = re.findall(r"^list step explore: at place (\d+) before it", verdict)
            assert least <= int(place) <= most, verdict
        else:
            (rank,) = re.findall(r"^ranking: ranked (\d+), of which 100 are kept$", verdict)
            assert max(least, LENGTH + 1) <= int(rank) <= most, verdict


def check_what_is_kept(night: Night) -> None:
    """What SQL says of a list is what the models say."""
    explained, user = ExplainedRun(night.run, run_of(night)), sorted(night.lists)[5]
    titles = dict(night.pipeline.query("SELECT item_id, title FROM market.items"))
    drawn = 0
    for place, item in enumerate(night.lists[user][:40], start=1):
        found = night.asked(explained, user, item)
        kept = found.kept
        assert (found.verdict, kept.verdict, kept.rank) == ("listed", "listed", place)
        assert found.titles[str(item)] == titles[item]
        if kept.source == "explore":
            drawn += 1
            assert 0 < (kept.propensity or 0) < 1
            assert kept.place_before is None
            continue
        stages = {stage.name: stage.place for stage in found.stages}
        assert stages["ranking"] == stages["pool"] == kept.place_before
        assert stages["published"] == place
        (voice,) = (said for said in found.said if said.generator == "item_item")
        if voice.because:
            assert kept.because == voice.because[0].item_id
            assert int(kept.because or 0) in night.seen[user]
    assert drawn == 2


def check_commands(night: Night, environment: dict[str, str]) -> None:
    user = sorted(night.lists)[5]
    item = night.lists[user][0]
    file = Path(environment["RECSYS_CONFIG"])
    text = file.read_text(encoding="utf-8") + "\n[list_steps.explore]\nslots = 2\n"
    file.write_text(text, encoding="utf-8")
    found = json.loads(recsys(environment, "why", str(user), str(item), "--json"))
    assert (found["verdict"], found["kept"]["rank"], found["user"]) == ("listed", 1, user)
    assert [said["generator"] for said in found["said"]] == list(night.models)
    told = recsys(environment, "why", str(user), str(night.lists[user][-1]), "--as-of", f"{DAY}")
    assert "listed at place 100" in told
    assert max(map(len, told.splitlines())) <= 80
    reasons = recsys(environment, "top", str(user), "-n", "6", "--why")
    assert "you liked" in reasons
    assert "explore, chance" in reasons
    assert max(map(len, reasons.splitlines())) <= 80


def check_what_is_gone(night: Night) -> None:
    user = sorted(night.lists)[5]
    run, item = run_of(night), night.lists[user][0]
    explained = ExplainedRun(night.run, run)
    because = night.asked(explained, user, item).kept.because
    night.pipeline.query("SELECT recs.remove_item(%s)", (because,))
    found = night.asked(explained, user, item)
    assert found.kept.because is None
    assert because not in {own.item_id for said in found.said for own in said.because}
    night.pipeline.query("SELECT recs.forget_user(%s)", (user,))
    assert night.asked(explained, user, item).verdict.startswith("forgotten: ")
    remove(model_partition(night.run.lake, "als", DAY).path)
    with pytest.raises(MissingPartitionError, match=r"no models/als as of 2016-11-01.*backfill"):
        ExplainedRun(night.run, run)


def run_of(night: Night) -> AskedRun:
    return asked_run(night.pipeline.settings.require_postgres(), None)


def recsys(environment: dict[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("recsys")), *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
