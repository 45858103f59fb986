"""How time and memory grow with the interactions: `make bench-growth`.

    python -m tests.benchmarks.growth --sizes S M L

Runs the pipeline on markets of 1, 4 and 16 times as many users and interactions, of equally many
items, and prints seconds and peak memory of each stage. A stage's exponent is the slope of log
seconds over log interactions: 1 is in proportion. It is given twice: over all sizes, and between
the two largest, where what every run costs, such as the start of Spark, counts least. Writes
Markdown and JSON to build/bench. Nothing is asserted on time.
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
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, sizes: Sequence[str], seed: int) -> None:
    found = {size: compared(size, ["ours"], seed)[0]["ours"] for size in sizes}
    text = table(found)
    write(text)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "growth.md").write_text(text + "\n", encoding="utf-8")
    figures = {size: vars(each) for size, each in found.items()}
    (FOLDER / "growth.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def table(found: Mapping[str, Measured]) -> str:
    """Seconds, GiB in brackets, and exponents by stage, in Markdown."""
    heads = [f"{size}: {SIZES[size][2]:,}" for size in found]
    lines = [
        "| stage | " + " | ".join((*heads, "exponent", "of the last two")) + " |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for name, steps in STAGES.items():
        seconds = {size: each.stage(name) or 0.0 for size, each in found.items()}
        if all(seconds.values()):
            peaks = [max(each.peak_gib.get(step, 0.0) for step in steps) for each in found.values()]
            lines.append(line(name, seconds, peaks))
    whole = {size: each.whole for size, each in found.items()}
    peaks = [max(each.peak_gib.values()) for each in found.values()]
    return "\n".join([*lines, line("**all**", whole, peaks)])


def line(name: str, seconds: Mapping[str, float], peaks: Sequence[float]) -> str:
    """A line of the table."""
    shown = [f"{v:.1f} ({peak:.2f})" for v, peak in zip(seconds.values(), peaks, strict=True)]
    sizes = list(seconds)
    slopes = [exponent(seconds, part) for part in (sizes, sizes[-2:])]
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
