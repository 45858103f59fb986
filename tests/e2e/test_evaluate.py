"""`recsys evaluate` on files as anybody has them."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from jobs.cli.main import app

REPOSITORY = Path(__file__).parents[2]
USERS, ITEMS, GROUPS = 120, 60, 3


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three groups of taste; tags tell which group an item is for, and one is new."""
    rng = np.random.default_rng(5)
    lines = ["user,item,timestamp"]
    for user in range(USERS):
        own = np.arange(user % GROUPS, ITEMS - GROUPS, GROUPS)
        for place, item in enumerate(rng.choice(own, 12, replace=False).tolist()):
            lines.append(f"u{user},i{item},{1_500_000_000 + 86_400 * (place * 5 + user % 5)}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = ["item,tags", *(f"i{item},group{item % GROUPS}" for item in range(ITEMS))]
    (tmp_path / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    return tmp_path


QUICK = """
[ranking]
least_users = 100000
[generators]
als = { weight = 0 }
graph = { weight = 0 }
trending = { weight = 0 }
segment = { weight = 0 }
item_item = { weight = 0 }
"""


@pytest.fixture(autouse=True)
def few_generators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration for tests of what is read, in which nothing is learnt."""
    config = tmp_path / "quick.toml"
    shipped = (REPOSITORY / "recsys.toml").read_text(encoding="utf-8")
    config.write_text(shipped + QUICK, encoding="utf-8")
    monkeypatch.setenv("RECSYS_CONFIG", str(config))


def evaluate(**options: Any) -> Result:
    """The command with options in their long form."""
    words = [f"--{name}={value}" for name, value in options.items()]
    return CliRunner().invoke(app, ["evaluate", *words])


def refusal(done: Result) -> str:
    """The one message of a command that ended for a fault of its input."""
    assert 10 <= done.exit_code < 30, done.output
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize("split", ["temporal", "random"])
def test_the_groups_are_found_and_every_model_is_reported(
    files: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_CONFIG", str(REPOSITORY / "recsys.toml"))
    done = evaluate(
        train=files / "pairs.csv",
        items=files / "items.csv",
        split=split,
        k=10,
        json=files / "out.json",
    )
    assert done.exit_code == 0, done.output
    assert f"items.csv describes {ITEMS - GROUPS} of {ITEMS - GROUPS} items" in done.output
    written = json.loads((files / "out.json").read_text(encoding="utf-8"))
    recall = {
        name: report["segments"]["all"]["recall"]["estimate"]
        for name, report in written["reports"].items()
    }
    assert recall["blend"] > 0.5
    assert recall["blend"] > 2 * recall["popularity"]
    assert {"als", "graph", "content", "trending", "blend"} <= set(recall)
    assert set(written["comparison"]["means"]) == set(recall)
    assert {"fit als", "choose", "rank"} <= set(written["seconds"])


def test_pairs_without_times_cannot_be_split_by_time(files: Path) -> None:
    bare = files / "bare.csv"
    bare.write_text("user,item\na,b\na,c\n", encoding="utf-8")
    assert "pass --split random" in refusal(evaluate(train=bare))


def weighed(files: Path, weight: str, column: str = "weight") -> Path:
    """The pairs with a weight of 1 each but for the third."""
    header, *lines = (files / "pairs.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{line},{weight if n == 2 else 1}" for n, line in enumerate(lines)]
    path = files / "weighed.csv"
    path.write_text("\n".join([f"{header},{column}", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "-inf", "1e30", "-1e-9"])
@pytest.mark.parametrize("column", ["weight", "value"])
def test_a_weight_that_is_none_is_refused_with_its_row(
    files: Path, weight: str, column: str
) -> None:
    message = refusal(evaluate(train=weighed(files, weight, column), json=files / "out.json"))
    assert f"weighed.csv: row 4: weight '{weight}' is no weight, which is from 0" in message
    assert "-1 for not rated" in message
    assert not (files / "out.json").exists()


def test_pairs_that_weigh_nothing_are_refused(files: Path) -> None:
    header, *lines = (files / "pairs.csv").read_text(encoding="utf-8").splitlines()
    path = files / "weighed.csv"
    text = "\n".join([f"{header},weight", *(f"{line},0" for line in lines)])
    path.write_text(f"{text}\n", encoding="utf-8")
    assert "no pair with a weight above 0" in refusal(evaluate(train=path, split="random"))


ODD_IDS: Mapping[str, Callable[[int], str]] = {
    "leading zeros": lambda n: f"{n:05d}",
    "twenty digits": lambda n: f"1234567890123456{n:04d}",
    "exponents": lambda n: f"{n + 1}e5",
    "words for nothing": lambda n: f"{n}" if n else "NA",
}


@pytest.mark.parametrize("kind", ODD_IDS)
def test_ids_of_csv_files_are_text(files: Path, kind: str) -> None:
    written = ODD_IDS[kind]
    rng = np.random.default_rng(3)
    lines = ["user,item,timestamp"]
    for user in range(40):
        for place, item in enumerate(rng.choice(30, 8, replace=False).tolist()):
            lines.append(f"{written(user)},{written(item)},{1_500_000_000 + 86_400 * place}")
    (files / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for role, count in (("user", 40), ("item", 30)):
        rows = [f"{role},text", *(f"{written(n)},word{n}" for n in range(count))]
        (files / f"{role}s.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = evaluate(train=files / "pairs.csv", users=files / "users.csv", items=files / "items.csv")
    assert done.exit_code == 0, done.output
    assert "users.csv describes 40 of 40 users" in done.output
    assert "items.csv describes 30 of 30 items" in done.output


def test_descriptions_of_nobody_there_are_refused(files: Path) -> None:
    other = files / "other.csv"
    other.write_text("item,tags\n0,a\n1,b\n", encoding="utf-8")
    message = refusal(evaluate(train=files / "pairs.csv", items=other))
    assert (
        "describes none of the 57 items of the pairs, whose first id is i0; here it is 0" in message
    )


def parted(files: Path, test_users: pa.Array, train_users: pa.Array) -> tuple[Path, Path]:
    rng = np.random.default_rng(2)
    paths = files / "train.parquet", files / "test.parquet"
    for path, users in zip(paths, (train_users, test_users), strict=True):
        items = pa.array(rng.integers(0, 20, len(users)))
        pq.write_table(pa.table({"user": users, "item": items}), path)
    return paths


NUMBERS = np.arange(600) % 60


@pytest.mark.parametrize(
    "wanted",
    [
        pa.array([str(n) for n in NUMBERS]),
        pa.array(NUMBERS, pa.int32()),
        pa.array([str(n) for n in NUMBERS]).dictionary_encode(),
        pa.array([str(n) for n in NUMBERS], pa.large_string()),
    ],
    ids=lambda each: str(each.type),
)
def test_the_same_ids_in_other_types_are_the_same(files: Path, wanted: pa.Array) -> None:
    train, test = parted(files, wanted, pa.array(NUMBERS, pa.int64()))
    done = evaluate(train=train, test=test)
    assert done.exit_code == 0, done.output
    assert "test.parquet: 60 of 60 users are in the training part" in done.output


def test_ids_that_may_not_be_exact_are_refused(files: Path) -> None:
    train, test = parted(files, pa.array(NUMBERS.astype(float)), pa.array(NUMBERS))
    assert "user is of type double; write ids as whole numbers or as text" in refusal(
        evaluate(train=train, test=test)
    )


def test_a_test_part_of_other_ids_is_refused(files: Path) -> None:
    train, test = parted(files, pa.array([f"u{n}" for n in NUMBERS]), pa.array(NUMBERS))
    assert "none of its 60 users is in --train" in refusal(evaluate(train=train, test=test))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_missing_id_is_refused_with_its_row(files: Path, suffix: str) -> None:
    path = files / f"holes.{suffix}"
    if suffix == "csv":
        path.write_text("user,item\na,b\n,c\n", encoding="utf-8")
    else:
        pq.write_table(pa.table({"user": ["a", None], "item": ["b", "c"]}), path)
    row = 3 if suffix == "csv" else 2
    assert f"row {row}: user" in refusal(evaluate(train=path, split="random"))


def test_a_text_of_many_quoted_lines_is_read(files: Path) -> None:
    text = '"' + "line, with a comma\n" * 80_000 + '"'
    rows = ["item,text", f"i0,{text}", "i1,short"]
    (files / "items.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = evaluate(train=files / "pairs.csv", items=files / "items.csv")
    assert done.exit_code == 0, done.output
    assert "items.csv describes 2 of 57 items" in done.output


@pytest.mark.parametrize("moment", ["1500000000", "2026-01-01"])
def test_pairs_of_one_instant_can_be_split_at_random_alone(files: Path, moment: str) -> None:
    lines = (files / "pairs.csv").read_text(encoding="utf-8").splitlines()
    same = [lines[0], *(f"{line.rpartition(',')[0]},{moment}" for line in lines[1:])]
    (files / "pairs.csv").write_text("\n".join(same) + "\n", encoding="utf-8")
    assert "pass --split random" in refusal(evaluate(train=files / "pairs.csv"))
    done = evaluate(train=files / "pairs.csv", split="random", json=files / "out.json")
    assert done.exit_code == 0, done.output
    choice = json.loads((files / "out.json").read_text(encoding="utf-8"))["choice"]
    assert choice["orders"]["warm"]["users"] > 0


@pytest.mark.parametrize("out", ["missing/out.json", "."])
def test_a_report_that_cannot_be_written_is_refused_before_any_work(files: Path, out: str) -> None:
    message = refusal(evaluate(train="nowhere.csv", json=files / out))
    assert "--json" in message
    assert "nowhere.csv" not in message


def tasted(files: Path) -> list[str]:
    """Arguments for pairs of three groups of taste, which content knows of."""
    return ["evaluate", "--train", str(files / "pairs.csv"), "--items", str(files / "items.csv")]


def lines_of(words: list[str], *, terminal: bool) -> list[str]:
    """The command's output on a pipe, or on a terminal of 80 columns, without its colours."""
    command = [sys.executable, "-m", "jobs.cli.main", *words]
    env = os.environ | {"COLUMNS": "80", "TERM": "xterm"}
    if not terminal:
        done = subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, check=True)
        assert b"\x1b" not in done.stdout
        return done.stdout.decode().splitlines()
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=env, cwd=REPOSITORY, stdout=theirs, stderr=DEVNULL) as run:
        os.close(theirs)
        text = b"".join(iter(lambda: read_terminal(ours), b""))
    os.close(ours)
    assert run.returncode == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.decode()).replace("\r\n", "\n").splitlines()


def read_terminal(ours: int) -> bytes:
    """Some bytes of a terminal; none when its other side is closed, which Linux calls an error."""
    try:
        return os.read(ours, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_all_of_it_is_whole_at_80_columns(files: Path, *, terminal: bool) -> None:
    shown = lines_of([*tasted(files), "--bands"], terminal=terminal)
    assert max(map(len, shown)) <= 80
    assert "…" not in "".join(shown)
    assert [line for line in shown if re.fullmatch(r"\s*[\w.]+", line)] == []
    header = ["model", "NDCG", "95", "%", "interval", "recall", "coverage", "Gini", "reach"]
    assert [line.split() for line in shown].count(header) == 2, "everybody, and one band"
    start = next(n for n, line in enumerate(shown) if line.split() == header)
    blend, content, popularity = (line.split() for line in shown[start + 1 : start + 4])
    assert (blend[0], content[0], popularity[0]) == ("blend", "content", "popularity")
    assert float(content[1]) > float(popularity[1])
    low, high = content[2].split("-")
    assert float(low) < float(content[1]) < float(high)
    assert [line for line in shown if line.startswith("seconds: ") and " choose " in line]


def test_the_blend_is_marked_where_it_is_ahead_of_all_beyond_the_error(files: Path) -> None:
    """Of their group, which content knows, users take what is popular, so both have a say."""
    rng = np.random.default_rng(8)
    chance = 1.0 / np.arange(1, 1 + ITEMS // GROUPS) ** 2
    rows = ["user,item"]
    for user in range(USERS):
        own = np.arange(user % GROUPS, ITEMS, GROUPS)
        taken = rng.choice(own, 5, replace=False, p=chance / chance.sum())
        rows += [f"u{user},i{item}" for item in taken.tolist()]
    (files / "pairs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    options = {"train": files / "pairs.csv", "items": files / "items.csv", "split": "random"}
    done = evaluate(**options, json=files / "out.json")
    written = json.loads((files / "out.json").read_text(encoding="utf-8"))
    assert written["clear_best"]["all"] == "blend"
    marked = [line.split()[0] for line in done.stdout.splitlines() if " * " in line]
    assert marked == ["blend"]
    assert "* ahead of all others by more than 2 standard errors" in done.stdout
    with (files / "quick.toml").open("a", encoding="utf-8") as out:
        out.write("popularity = { weight = 0 }\n")
    alone = evaluate(**options)
    assert " *" not in alone.stdout, "the blend is the one generator"


def test_reach_is_the_share_that_a_generator_has_a_score_for(files: Path) -> None:
    """Of eight relevant items four are known; of the four new ones two are described."""
    train, test, items = (files / f"{name}.csv" for name in ("train", "test", "tags"))
    pairs = [f"u{user},i{item}" for user in range(20) for item in range(user % 4, 12)]
    train.write_text("\n".join(["user,item", *pairs]) + "\n", encoding="utf-8")
    wanted = ["u1,i0", "u2,i0", "u2,i1", "u3,i0", "u1,new", "u2,new", "u1,blank", "u2,blank"]
    test.write_text("\n".join(["user,item", *wanted]) + "\n", encoding="utf-8")
    tags = [f"i{item},{'a' if item % 2 else 'b'}" for item in range(1, 12)]
    items.write_text("\n".join(["item,tags", *tags, "new,a"]) + "\n", encoding="utf-8")
    done = evaluate(train=train, test=test, items=items, json=files / "out.json")
    assert done.exit_code == 0, done.output
    written = json.loads((files / "out.json").read_text(encoding="utf-8"))
    reach = {name: each["segments"]["all"]["reach"] for name, each in written["reports"].items()}
    # Popularity knows i0 and i1; content knows i1 and new, and not i0, of which nothing is written.
    assert reach == {"popularity": 4 / 8, "content": 3 / 8, "blend": 6 / 8}
    assert written["new_share"] == 4 / 8
    assert written["reports"]["blend"]["new_items"]["users"] == 2
    assert "new items: 50% of what was relevant has no event in the training part" in " ".join(
        done.stdout.split()
    )
