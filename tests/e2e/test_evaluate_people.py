"""`recsys evaluate --people` on decisions and messages as anybody has them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from jobs.app.decisions import estimate
from jobs.app.evaluation import Steps
from jobs.app.people import People
from jobs.cli.main import app
from jobs.run.settings import load_config
from jobs.sources.people_files import read_two_sided
from recsys.dataset.training import Descriptions
from recsys.matching.decisions import Decisions
from tests.planted_people import planted_decisions, write_decisions, write_messages

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "recsys.toml"
QUICK = """
[generators]
als = { weight = 0 }
graph = { weight = 0 }
content = { weight = 0 }
trending = { weight = 0 }
segment = { weight = 0 }
item_item = { weight = 0 }
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Popularity is the one generator."""
    config = tmp_path / "quick.toml"
    config.write_text(SHIPPED.read_text(encoding="utf-8") + QUICK, encoding="utf-8")
    monkeypatch.setenv("RECSYS_CONFIG", str(config))


def evaluate(**options: Any) -> Result:
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return CliRunner().invoke(app, ["evaluate", *words])


def figures(done: Result, path: Path) -> Mapping[str, Any]:
    assert done.exit_code == 0, done.output
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def refusal(done: Result) -> str:
    assert 10 <= done.exit_code < 30, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


@pytest.fixture(scope="module")
def planted() -> Decisions:
    """300 and 300 people with stars, some 20 decisions a person."""
    return planted_decisions((300, 300), met=20 / 300, seed=1)[0]


def test_reciprocal_lists_find_more_matches_and_spread_attention(
    tmp_path: Path, planted: Decisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_CONFIG", str(SHIPPED))
    path, out = write_decisions(tmp_path / "decisions.csv", planted), tmp_path / "out.json"
    done = evaluate(people=path, k=3, json=out)
    found = figures(done, out)
    assert (found["people"], found["pairs"]) == (600, len(planted))
    (lists,) = found["lists"]
    gain, ways = lists["against_one_sided"], lists["ways"]
    assert gain["reciprocal"]["ratio"]["low"] > 1.3
    assert gain["random"]["ratio"]["high"] < 1.0
    one_sided, reciprocal = ways["one-sided"], ways["reciprocal"]
    assert reciprocal["gini"]["high"] < 0.5 * one_sided["gini"]["low"]
    assert reciprocal["none"]["high"] < one_sided["none"]["low"]
    assert ways["product"]["rate"]["estimate"] > one_sided["rate"]["estimate"]
    assert ways["product"]["rate"]["low"] > ways["product, raw"]["rate"]["high"]
    # By chance alone it is about .02.
    assert [each["name"] for each in found["chances"]] == ["yeses", "yeses back"]
    assert max(each["error"] for each in found["chances"]) < 0.04
    tables, _, texts = done.stdout.partition("\n\n")
    assert tables.splitlines()[0] == "lists of 3, both see lists"
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "reciprocal against one-sided, lists of 3, both see lists:" in texts


def test_a_pool_counts_each_pair_once_and_again_the_same(tmp_path: Path) -> None:
    pairs, _, _ = planted_decisions((40, 40), met=0.4, seed=2)
    once, twice = (
        write_decisions(tmp_path / f"{mirrored}.csv", pairs, mirrored=mirrored)
        for mirrored in (False, True)
    )
    out = tmp_path / "out.json"
    options = {"json": out, "k": 2}
    pool = figures(done := evaluate(people=twice, **options), out)
    assert "80 ids are both user and item: taken as one pool of people" in done.stdout
    header, *rows = once.read_text(encoding="utf-8").splitlines()
    once.write_text("\n".join([header, *reversed(rows)]), encoding="utf-8")
    again = figures(evaluate(people=once, sides="one", **options), out)
    assert pool["pairs"] == again["pairs"] == len(pairs)
    assert {**pool, "seconds": 0} == {**again, "seconds": 0}
    assert [each["name"] for each in pool["chances"]] == ["yeses"]
    sided = figures(evaluate(people=once, **options), out)
    assert [each["name"] for each in sided["chances"]] == ["yeses", "yeses back"]


def test_ids_of_two_sides_may_be_the_same(tmp_path: Path) -> None:
    """Men and women that are both numbered from 0: 0 met 0."""
    rows = ["user,item,yes,yes_back", "0,0,1,0", "0,1,1,1", "1,0,0,1"]
    (path := tmp_path / "numbers.csv").write_text("\n".join(rows), encoding="utf-8")
    found = read_two_sided(path, None, None)
    assert found.items is not None
    assert (len(found.users), len(found.items)) == (2, 2)
    assert isinstance(found.known, Decisions)
    assert found.known.other.tolist() == [2, 3, 2]
    assert "taken as two sides" in found.notes[0]
    assert "row 2: 0 decides about itself" in refusal(evaluate(people=path, sides="one"))


def test_chances_know_nothing_of_the_pairs_asked_for(planted: Decisions) -> None:
    known, asked = planted.take(planted.one % 2 == 0), planted.take(planted.one % 2 == 1)
    people = People(Descriptions.blank(600), np.full(600, -1, np.int32), 300)
    config = load_config(None)
    turned = Decisions(asked.one, asked.other, ~asked.yes, ~asked.yes_back)
    one, other = (
        estimate(known, each, people, config, Steps(lambda _: None)).chances
        for each in (asked, turned)
    )
    assert one.forth.tolist() == other.forth.tolist()
    assert one.back.tolist() == other.back.tolist()


def test_newcomers_of_a_given_test_part_are_told_apart_by_attributes(tmp_path: Path) -> None:
    """Half of the items are liked; a test part has other items, of which only that is known."""
    rng = np.random.default_rng(3)
    rows: dict[str, list[str]] = {"known": [], "test": []}
    for part, first in (("known", 0), ("test", 100)):
        for user in range(200):
            for item in rng.choice(np.arange(first, first + 30), 8, replace=False).tolist():
                yes = rng.random() < (0.8 if item % 2 else 0.2)
                rows[part].append(f"u{user},i{item},{int(yes)},{rng.integers(2)}")
    for part, lines in rows.items():
        text = "\n".join(["user,item,yes,yes_back", *lines])
        (tmp_path / f"{part}.csv").write_text(text, encoding="utf-8")
    kinds = ["item,kind", *(f"i{item},{item % 2}" for item in [*range(30), *range(100, 130)])]
    (tmp_path / "items.csv").write_text("\n".join(kinds), encoding="utf-8")
    out = tmp_path / "out.json"
    options = {"people": tmp_path / "known.csv", "test": tmp_path / "test.csv", "k": 3}
    found = figures(evaluate(**options, items=tmp_path / "items.csv", json=out), out)
    assert found["pairs"] == 1_600
    ways = found["lists"][0]["ways"]
    assert ways["one-sided"]["rate"]["low"] > ways["random"]["rate"]["high"]


HEADER = "user,item,yes,yes_back"
BROKEN: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "no column of answers": ("user,item,yes\na,b,1", {}, "there is no column yes_back"),
    "neither outcome nor time": ("user,item\na,b", {}, "neither the columns yes and yes_back nor"),
    "no items": ("user,yes,yes_back\na,1,1", {}, "there is no column item or item_id"),
    "a rating": (f"{HEADER}\na,b,1,0\nc,d,5,0", {}, "row 3: yes '5' is neither 1, a yes, nor 0"),
    "not known": (f"{HEADER}\na,b,1,", {}, "row 2: yes_back '' is neither 1"),
    "a pair twice": (
        f"{HEADER}\na,b,1,0\na,b,1,1",
        {},
        "row 3: user a and item b are there",
    ),
    "few": (
        f"{HEADER}\na,b,1,0\nc,b,1,1",
        {},
        "yes is 1 in 1 of 1 pairs to learn from",
    ),
    "two sides of messages": ("user,item,timestamp\na,b,1", {"sides": "two"}, "one pool of people"),
    "one instant": ("user,item,timestamp\na,b,1\nb,a,1", {}, "the same, earliest timestamp"),
    "beside training pairs": (f"{HEADER}\na,b,1,0", {"train": "x"}, "--train does not go with"),
    "with a split": (f"{HEADER}\na,b,1,0", {"split": "random"}, "--split does not go with"),
    "items of a pool": (
        f"{HEADER}\na,b,1,0\nb,c,1,0",
        {"items": "x"},
        "describe all of them with --users",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_is_refused(case: str, tmp_path: Path) -> None:
    text, options, message = BROKEN[case]
    (path := tmp_path / "file.csv").write_text(text + "\n", encoding="utf-8")
    assert message in refusal(evaluate(people=path, **options))


def test_there_must_be_something_to_evaluate() -> None:
    assert "pass --train or --people" in refusal(evaluate(k=3))
    done = CliRunner().invoke(app, ["evaluate", "--train=x", "--k=3", "--k=5"])
    assert "only --people takes several" in refusal(done)


def test_messages_are_judged_by_those_since(tmp_path: Path) -> None:
    """A quarter answers well, so products find more answers than first messages alone."""
    path, out = write_messages(tmp_path / "messages.csv", 300, seed=1), tmp_path / "out.json"
    found = figures(evaluate(people=path, k=5, json=out), out)
    inbox, both = found["lists"]
    assert [inbox["both_list_each_other"], both["both_list_each_other"]] == [False, True]
    gain = inbox["against_one_sided"]
    assert gain["product"]["ratio"]["low"] > 1.0
    assert gain["random"]["ratio"]["high"] < 1.0
    one_sided, reciprocal = inbox["ways"]["one-sided"], inbox["ways"]["reciprocal"]
    assert reciprocal["gini"]["high"] < one_sided["gini"]["low"]
    assert [each["name"] for each in found["chances"]] == ["first messages", "answers"]
    assert max(each["error"] for each in found["chances"]) < 0.1
