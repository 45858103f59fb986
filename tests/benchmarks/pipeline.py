"""The pipeline against the tutorial's way, `implicit` by itself and the floors: `make bench`.

    python -m tests.benchmarks.pipeline --size M
    python -m tests.benchmarks.pipeline --size S --ways ours floor

On one machine, in one run, on the same made-up interactions in an embedded Postgres: seconds and
peak memory of each stage, and the ratios between the ways. Writes JSON, a Markdown table and a plot
to build/bench. Nothing is asserted on time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from pydantic import SecretStr

from jobs.sandbox import servers
from jobs.sinks.postgres.migrations import migrate
from recsys.sections.ids import Ids
from tests.benchmarks import ways
from tests.benchmarks.market import CONFIG, fill, in_parts

SIZES: Final = {
    "S": (12_500, 10_000, 1_056_000),
    "M": (50_000, 10_000, 4_226_000),
    "L": (200_000, 10_000, 16_900_000),
    "XL": (1_000_000, 20_000, 84_000_000),
}
"""Users, items and interactions."""
GENERATORS: Final = ("als", "shipped")
FOLDER: Final = Path(__file__).parents[2] / "build" / "bench"
SAMPLE_SECONDS: Final = 0.1
#: The stages that ways have in common, and the steps of ours that make them up.
STAGES: Final = {
    "start Spark": ("start Spark", "start"),
    "extract": ("extract", "extract_sources"),
    "contracts": ("check_sources", "check_matrix", "check_lists"),
    "matrix": ("build_matrix",),
    "train": ("train", "train_generators"),
    "choose": ("choose_ranking",),
    "rank": ("rank", "rank_lists"),
    "publish": ("publish", "publish_lists"),
}


@dataclass
class Measured:
    """What one way took."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_gib: dict[str, float] = field(default_factory=dict)

    @property
    def whole(self) -> float:
        return sum(self.seconds.values())

    def stage(self, name: str) -> float | None:
        """Seconds of a stage; None where the way does not have it."""
        own = [self.seconds[step] for step in STAGES[name] if step in self.seconds]
        return sum(own) if own else None


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="M")
    parser.add_argument("--ways", nargs="+", choices=ways.WAYS, default=list(ways.WAYS))
    parser.add_argument(
        "--generators",
        choices=GENERATORS,
        default="als",
        help="what our way fits: ALS alone, or all as shipped, with a choice of ranking",
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, size: str, ways: list[str], generators: str, seed: int) -> None:
    keep(size, seed, *compared(size, ways, seed, generators))


def compared(
    size: str, ways: Sequence[str], seed: int, generators: str = "als"
) -> tuple[dict[str, Measured], dict[str, int]]:
    """What each way took, and the bytes of each table of the lake."""
    shape = SIZES[size]
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        root = Path(folder)
        uri = SecretStr(servers.up(root).postgres_uri)
        try:
            (root / "recsys.toml").write_text(config_text(generators), encoding="utf-8")
            migrate(uri, Ids())
            users, items, interactions = shape
            write(f"size {size}: {users:,} users, {items:,} items, {interactions:,} interactions")
            fill(uri, in_parts(*shape, seed))
            found = {way: measured(way, root) for way in ways}
            return found, lake_bytes(root / "lake")
        finally:
            servers.down(root)


def config_text(generators: str = "als") -> str:
    """The configuration of our way; see `--generators`."""
    if generators == "shipped":
        return CONFIG + ways.LIST_LENGTH
    off = "".join(f"\n[generators.{name}]\nweight = 0.0\n" for name in ways.WITHOUT)
    return CONFIG + ways.LIST_LENGTH + ways.ALS + off


def measured(way: str, root: Path, *more: str) -> Measured:
    """Runs a way in its own process; memory is that of the process and all it starts.

    more: further arguments of the way.
    """
    command = [sys.executable, "-m", "tests.benchmarks.ways", way, str(root), *more]
    found = Measured()
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child,
        sampled(child.pid) as peak,
    ):
        for line in child.stdout or ():
            message = json.loads(line) if line.startswith("{") else {}
            if "begin" in message:
                peak.clear()
            elif "end" in message:
                name, seconds = message["end"], message["seconds"]
                found.seconds[name] = round(seconds, 3)
                found.peak_gib[name] = round(max(peak, default=0) / 2**30, 2)
                write(f"{seconds:8.1f} s  {found.peak_gib[name]:6.2f} GiB  {way}: {name}")
    if child.returncode:
        raise SystemExit(f"{way} ended with exit code {child.returncode}")
    write(f"{found.whole:8.1f} s              {way}: all stages")
    return found


@contextmanager
def sampled(pid: int) -> Iterator[list[int]]:
    """Bytes that a process and its descendants hold, sample after sample."""
    samples: list[int] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            samples.append(resident(pid))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def resident(pid: int) -> int:
    """Resident bytes of a process tree; pages that processes share count in each."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for each in family:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def lake_bytes(lake: Path) -> dict[str, int]:
    """Bytes of each table that our way wrote."""
    tables: dict[str, int] = {}
    for file in lake.glob("**/*"):
        if file.is_file():
            name = "/".join(file.relative_to(lake).parts[:2]).split("/as_of=")[0]
            tables[name] = tables.get(name, 0) + file.stat().st_size
    return tables


def keep(size: str, seed: int, found: Mapping[str, Measured], lake: Mapping[str, int]) -> None:
    """Prints the table and writes it, the figures and the plot."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        "size": size,
        "shape": SIZES[size],
        "seed": seed,
        "measured_at": time.strftime("%Y-%m-%d", time.gmtime()),
        "ways": {way: vars(each) | {"whole": each.whole} for way, each in found.items()},
        "lake_bytes": lake,
    }
    (FOLDER / f"{size}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    text = table(found) + "\n" + "\n".join(headlines(found)) + "\n"
    (FOLDER / f"{size}.md").write_text(text, encoding="utf-8")
    write(text)
    plot(FOLDER / f"{size}.png", found)


def table(found: Mapping[str, Measured]) -> str:
    """Seconds by stage and way, in Markdown."""
    found = {way: each for way, each in found.items() if way != "scoring"}
    lines = ["| stage | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for name in STAGES:
        cells = [each.stage(name) for each in found.values()]
        if any(cells):
            shown = " | ".join("" if cell is None else f"{cell:.1f}" for cell in cells)
            lines.append(f"| {name} | {shown} |")
    lines.append("| **all** | " + " | ".join(f"{each.whole:.1f}" for each in found.values()) + " |")
    peaks = (max(each.peak_gib.values(), default=0.0) for each in found.values())
    lines.append("| peak GiB | " + " | ".join(f"{peak:.2f}" for peak in peaks) + " |")
    return "\n".join(lines)


def headlines(found: Mapping[str, Measured]) -> Iterator[str]:
    """The ratios that matter."""
    mine, least = found.get("ours"), found.get("floor")
    if bare := found.get("scoring"):
        product = bare.seconds["the product alone"]
        own, theirs = bare.seconds["our lists"], bare.seconds["implicit's lists"]
        yield f"lists: {own / product:.2f} times the product, implicit's {theirs / product:.2f}"
    if mine is None:
        return
    if other := found.get("tutorial"):
        yield f"the tutorial's way takes {other.whole / mine.whole:.1f} times as long"
    if least:
        start = least.seconds["start Spark"]
        bound = 2 * (least.whole - start) + start
        yield f"whole: {mine.whole / bound:.2f} of (2 x the floors + the start of Spark)"
        for name in ("extract", "train", "rank", "publish"):
            mine_at, floor_at = mine.stage(name), least.stage(name)
            if mine_at and floor_at:
                yield f"{name}: {mine_at / floor_at:.2f} times its floor"


def plot(path: Path, found: Mapping[str, Measured]) -> None:
    """Stacked bars, a way each."""
    found = {way: each for way, each in found.items() if way != "scoring"}
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second, for the end alone

    figure = Figure(figsize=(9, 1 + 0.6 * len(found)), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(found, 0.0)
    for name in STAGES:
        widths = [each.stage(name) or 0.0 for each in found.values()]
        axes.barh(list(found), widths, left=list(left.values()), label=name)
        left = {way: left[way] + width for way, width in zip(left, widths, strict=True)}
    axes.set_xlabel("seconds")
    axes.invert_yaxis()
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.savefig(path, dpi=120)


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
