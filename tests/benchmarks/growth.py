"""How time and memory grow with the interactions: `make bench-growth`.

    python -m tests.benchmarks.growth --sizes S M L

Runs the pipeline on markets of 1, 4 and 16 times as many users and interactions, of equally many
items, and prints seconds and peak memory of each stage. A stage's exponent is the slope of log
seconds over log interactions: 1 is in proportion. It is given over all sizes, between the two
largest, where what every run costs, such as the start of Spark, counts least, and for the floor of
the stage between the two largest: what `implicit`, COPY and the machine's caches do by themselves.
Writes Markdown and JSON to build/bench. Nothing is asserted on time.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from math import log
from statistics import linear_regression

from tests.benchmarks.pipeline import FOLDER, SIZES, STAGES, Measured, compared, write


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["S", "M", "L"])
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, sizes: Sequence[str], seed: int) -> None:
    found = {size: compared(size, ["ours", "floor"], seed)[0] for size in sizes}
    ours, floor = ({size: each[way] for size, each in found.items()} for way in ("ours", "floor"))
    text = table(ours, floor)
    write(text)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "growth.md").write_text(text + "\n", encoding="utf-8")
    figures = {size: {way: vars(m) for way, m in each.items()} for size, each in found.items()}
    (FOLDER / "growth.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def table(ours: Mapping[str, Measured], floor: Mapping[str, Measured]) -> str:
    """Seconds, GiB in brackets, and exponents by stage, in Markdown."""
    heads = [f"{size}: {SIZES[size][2]:,}" for size in ours]
    heads += ["exponent", "of the last two", "its floor's"]
    lines = ["| stage | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, steps in STAGES.items():
        seconds, least = (seconds_of(name, way) for way in (ours, floor))
        if all(seconds.values()):
            peaks = [max(each.peak_gib.get(step, 0.0) for step in steps) for each in ours.values()]
            lines.append(line(name, seconds, peaks, least))
    whole, least = ({size: each.whole for size, each in way.items()} for way in (ours, floor))
    peaks = [max(each.peak_gib.values()) for each in ours.values()]
    return "\n".join([*lines, line("**all**", whole, peaks, least)])


def seconds_of(name: str, way: Mapping[str, Measured]) -> dict[str, float]:
    """A stage's seconds by size, 0 where the way does not have it."""
    return {size: each.stage(name) or 0.0 for size, each in way.items()}


def line(
    name: str, seconds: Mapping[str, float], peaks: Sequence[float], least: Mapping[str, float]
) -> str:
    """A line of the table."""
    shown = [f"{v:.1f} ({peak:.2f})" for v, peak in zip(seconds.values(), peaks, strict=True)]
    last = list(seconds)[-2:]
    slopes = [exponent(seconds, part) for part in (list(seconds), last)]
    slopes.append(exponent(least, last) if all(least.values()) else "")
    return f"| {name} | " + " | ".join((*shown, *slopes)) + " |"


def exponent(seconds: Mapping[str, float], sizes: Sequence[str]) -> str:
    """The slope of log seconds over log interactions."""
    if len(sizes) < 2:
        return ""
    interactions = [log(SIZES[size][2]) for size in sizes]
    slope, _ = linear_regression(interactions, [log(seconds[size]) for size in sizes])
    return f"{slope:.2f}"


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
