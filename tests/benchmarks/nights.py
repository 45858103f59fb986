"""A night on what is new against a full one: `make bench-nights`.

    python -m tests.benchmarks.nights --size M

On the market of `make bench`, with the generators and the choice of the shipped configuration: a
full night, then 1 % new interactions and the next night, which keeps what it can, then that date
once more as a full night. Prints seconds by stage and how many lists were made, and writes them to
build/bench. Nothing is asserted on time.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from upath import UPath

from jobs.lake.partitions import Lake
from jobs.sandbox import servers
from jobs.sinks.postgres.migrations import migrate
from recsys.schemas import LISTS
from recsys.sections.ids import Ids
from tests.benchmarks.market import CONFIG, DAY, add, day_after, fill, market
from tests.benchmarks.pipeline import FOLDER, SIZES, STAGES, Measured, measured, write

NEXT: Final = DAY + timedelta(days=1)
SHARE: Final = 0.01
NIGHTS: Final = "\n[nights]\nfull_every = 7\n"


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="M")
    parser.add_argument("--visit", type=int, default=10, help="new events of a user who comes")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, size: str, visit: int, seed: int) -> None:
    users, items, interactions = SIZES[size]
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        root = Path(folder)
        uri = SecretStr(servers.up(root).postgres_uri)
        try:
            (root / "recsys.toml").write_text(CONFIG + NIGHTS, encoding="utf-8")
            migrate(uri, Ids())
            write(f"size {size}: {users:,} users, {items:,} items, {interactions:,} interactions")
            made = market(users, items, interactions, seed)
            fill(uri, [made])
            found = {"first night": measured("ours", root)}
            new = day_after(made, NEXT, round(SHARE * interactions), visit, seed)
            add(uri, new)
            found["changes alone"] = measured("ours", root, f"{NEXT}")
            facts = Lake(UPath(root / "lake")).as_of(LISTS.name, NEXT).manifest().stats
            found["the same, full"] = measured("ours", root, f"{NEXT}", "full")
        finally:
            servers.down(root)
    came = len(new["interactions"]["user_id"].unique())
    write(f"{len(new['interactions']):,} new interactions of {came:,} users, {visit} a visit")
    write(f"{facts['scored']:,} lists made, {facts['kept']:,} kept")
    keep(size, found, {"users_who_came": came, "scored": facts["scored"], "kept": facts["kept"]})


def keep(size: str, found: Mapping[str, Measured], facts: Mapping[str, Any]) -> None:
    """Prints the table, and writes it and the figures."""
    lines = ["| stage | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for name in STAGES:
        seconds = [each.stage(name) or 0.0 for each in found.values()]
        lines.append(f"| {name} | " + " | ".join(f"{value:.1f}" for value in seconds) + " |")
    whole = {name: each.whole for name, each in found.items()}
    lines.append("| **all** | " + " | ".join(f"**{value:.1f}**" for value in whole.values()) + " |")
    least = whole["changes alone"]
    full = ("first night", "the same, full")
    lines += ["", *(f"changes alone: {least / whole[name]:.2f} of {name}" for name in full)]
    text = "\n".join(lines)
    write(text)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"nights-{size}.md").write_text(text + "\n", encoding="utf-8")
    figures = {"facts": facts, "nights": {name: vars(each) for name, each in found.items()}}
    path = FOLDER / f"nights-{size}.json"
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
