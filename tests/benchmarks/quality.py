"""How good the lists are on public data: `python -m tests.benchmarks.quality [DATA SET …]`.

    python -m tests.benchmarks.quality deskdrop goodbooks --rows default

Reads ../shared/data and prints two rows for each data set, as Markdown, under the protocols of its
README: *default*, with the parameters that the other data sets choose (`tests.benchmarks.defaults`)
and *tuned*, with what a search of some minutes then finds on a part of the training pairs. Run it
alone: it uses all cores and prints how long it took. All figures go to build/quality.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

from jobs.app.evaluation import BLEND, Steps, try_stack
from jobs.run.settings import load_config
from recsys.dataset.bands import BANDS
from recsys.evaluation.report import ALL
from recsys.sections.base import READ_PLACES
from tests.benchmarks.defaults import left_out
from tests.benchmarks.public_sets import REPOSITORY, SETS

FOLDER: Final = REPOSITORY / "build" / "quality"
DEFAULT: Final = "default"
TUNED: Final = "tuned"
PUBLISHED: Final = {
    "amazon-cds": {
        "SimpleX": (0.1145, 0.1763),
        "UltraGCN": (0.1043, 0.1622),
        "BGCF": (0.0948, 0.1506),
        "NGCF": (0.0792, 0.1258),
    }
}
"""NDCG@20 and Recall@20 of others on the same split, as published."""
HEADERS: Final = (
    "data set, split, users",
    "parameters",
    "NDCG@20 (95 %)",
    "Recall@20 (95 %)",
    "minutes, GiB",
)


def tried(name: str, row: str, minutes: float) -> dict[str, Any]:
    """All figures of a row, ready for JSON. minutes: of the search, where the row has one."""
    config = load_config(REPOSITORY / "recsys.toml")
    chosen = left_out(config, name)
    data, split, label = SETS[name](config)
    search = minutes if row == TUNED else 0.0
    trial = try_stack(data, split, label, chosen, READ_PLACES, Steps(lambda _: None), search)
    pairs = {"train": len(split.train.merged()), "test": len(split.test)}
    return {"data_set": name, "row": row, "pairs": pairs, "seed": config.seed} | trial.as_dict()


def lines(found: dict[str, Any]) -> Iterator[str]:
    """A line of the table for all users, or for each band where the split is by time."""
    report = found["reports"][BLEND]
    groups = [band for band in BANDS if report["segments"][band]["users"]]
    for group in groups if report["split"] == "temporal" else [ALL]:
        figures = report["segments"][group]
        minutes, peak = sum(found["seconds"].values()) / 60, max(found["peak_gib"].values())
        yield _cells(
            f"{found['data_set']}, {report['split']}, {figures['users']:,} {group}",
            found["row"],
            _with_interval(figures["ndcg"]),
            _with_interval(figures["recall"]),
            f"{minutes:.1f}, {peak:.1f}",
        )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _with_interval(mean: dict[str, float]) -> str:
    return f"{mean['estimate']:.4f} ({mean['low']:.4f}-{mean['high']:.4f})"


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", choices=[[], *SETS], metavar="data-set")
    parser.add_argument("--rows", nargs="+", choices=[DEFAULT, TUNED], default=[DEFAULT, TUNED])
    parser.add_argument("--tune-minutes", type=float, default=10.0)
    return parser


def main(*, sets: Sequence[str], rows: Sequence[str], tune_minutes: float) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for line in (_cells(*HEADERS), _cells(*("---" for _ in HEADERS))):
        sys.stdout.write(f"{line}\n")
    # A process each: peak memory is that of the process so far.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in sets or SETS:
            for row in rows:
                found = pool.submit(tried, name, row, tune_minutes).result()
                path = FOLDER / f"{name}-{row}.json"
                path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
                for line in lines(found):
                    sys.stdout.write(f"{line}\n")
                    sys.stdout.flush()
            for other, (ndcg, recall) in PUBLISHED.get(name, {}).items():
                line = _cells(name, f"{other}, published", f"{ndcg:.4f}", f"{recall:.4f}", "")
                sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    given = arg_parser().parse_args()
    main(sets=given.sets, rows=given.rows, tune_minutes=given.tune_minutes)
