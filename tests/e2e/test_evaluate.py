"""`recsys evaluate` on files as anybody has them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

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


@pytest.mark.parametrize("split", ["temporal", "random"])
def test_the_groups_are_found_and_every_model_is_reported(
    files: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_CONFIG", str(REPOSITORY / "recsys.toml"))
    names = [
        f"--{role}={files / file}"
        for role, file in (("train", "pairs.csv"), ("items", "items.csv"))
    ]
    done = CliRunner().invoke(
        app, ["evaluate", *names, "--split", split, "--k", "10", f"--json={files / 'out.json'}"]
    )
    assert done.exit_code == 0, done.output
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


def test_pairs_without_times_cannot_be_split_by_time(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_CONFIG", str(REPOSITORY / "recsys.toml"))
    bare = files / "bare.csv"
    bare.write_text("user,item\na,b\na,c\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate", f"--train={bare}"])
    assert done.exit_code == 20
