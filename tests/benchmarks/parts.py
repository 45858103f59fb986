"""What each part of the stack gives: `python -m tests.benchmarks.parts [DATA SET …]`.

    python -m tests.benchmarks.parts deskdrop ml-latest-small

Reads ../shared/data and prints, as Markdown, the blend's NDCG@20 on each data set as shipped, and
what changes with one part switched off, or with one switched on that is shipped off: the mean over
users of the difference and its standard error. The test parts judge here and choose nothing.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobs.app.evaluation import BLEND, Steps, try_stack
from jobs.run.settings import load_config
from recsys.arrays import Floats
from recsys.config import Config
from recsys.evaluation.significance import Gain
from recsys.sections.base import READ_PLACES
from tests.benchmarks.public_sets import REPOSITORY, SETS

Change = Mapping[str, Mapping[str, Any]]
"""Fields by section; those of generators under their names."""
AGING: Final = ("als", "graph", "item_item", "content", "popularity")
PARTS: Final[Mapping[str, Change]] = {
    "half-lives": {name: {"half_life_days": "never"} for name in AGING},
    "`item_item`": {"item_item": {"weight": 0.0}},
    "its discount of busy users": {"item_item": {"user_exponent": 0.0}},
    "`graph`": {"graph": {"weight": 0.0}},
    "`als`": {"als": {"weight": 0.0}},
    "`content`": {"content": {"weight": 0.0}},
    "`trending`": {"trending": {"weight": 0.0}},
    "going on from the earlier fit": {"als": {"warm_iterations": 0}},
    "learned rankers": {"ranking": {"method": "sum"}},
}
ADDED: Final[Mapping[str, Change]] = {
    "power 1.3 in `graph`": {"graph": {"power": 1.3}},
    "`next_item`": {"next_item": {"weight": 0.3}},
    "learned rankers, chosen or not": {"ranking": {"method": "learned"}},
}


def changed(config: Config, change: Change) -> Config:
    """The configuration with some fields changed."""
    sections = config.model_dump()
    for name, fields in change.items():
        (sections if name in sections else sections["generators"])[name] |= fields
    return Config.model_validate(sections)


def values(name: str, change: Change) -> Floats:
    """(u,) NDCG@20 of the blend's lists."""
    config = changed(load_config(REPOSITORY / "recsys.toml"), change)
    data, split, label = SETS[name](config)
    trial = try_stack(data, split, label, config, READ_PLACES, Steps(lambda _: None))
    return trial.ndcg[BLEND]


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", choices=[[], *SETS], metavar="data-set")
    return parser


def main(sets: Sequence[str]) -> None:
    names = list(sets or SETS)
    shipped = {name: values(name, {}) for name in names}
    _row("part", names)
    _row("---", ["---"] * len(names))
    _row("as shipped", [f"{shipped[name].mean():.4f}" for name in names])
    for sign, parts in (("without", PARTS), ("with", ADDED)):
        for part, change in parts.items():
            gains = [Gain.of(values(name, change), shipped[name]) for name in names]
            _row(f"{sign} {part}", [f"{gain.mean:+.4f} ({gain.error:.4f})" for gain in gains])


def _row(head: str, cells: Sequence[str]) -> None:
    sys.stdout.write(f"| {head} | {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(arg_parser().parse_args().sets)
