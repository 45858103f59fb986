"""Pair updates a second of lists in which both must say yes, against a bare sort by numpy.

    python -m tests.benchmarks.matching --people 20000 --candidates 100

Each person of one side gets so many candidates of the other at random. A pair update is one pair in
one step on one side. The floor sorts one number a pair, in rows of the same length, as often.
Times are of the processor; nothing is asserted on them.
"""

import argparse
import resource
import sys
import time
from typing import Final

import numpy as np

from recsys.arrays import Ints, Ragged
from recsys.matching.candidates import united
from recsys.matching.lists import Balance, simultaneous_lists
from recsys.matching.market import Market

LENGTH: Final = 20


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=20_000, help="of both sides together")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, people: int, candidates: int, steps: int, seed: int) -> None:
    rng, side = np.random.default_rng(seed), people // 2
    pairs = drawn_pairs(rng, side, candidates)
    chances = (rng.random(len(pairs[0])), rng.random(len(pairs[0])))
    market = Market.of(pairs, chances, np.repeat([0, 1], side))
    begin = time.process_time()
    simultaneous_lists(market, LENGTH, Balance(steps=steps))
    seconds = time.process_time() - begin
    updates = steps * len(market.likes)
    keys = rng.integers(0, 2**63, (len(market.likes) // candidates, candidates), np.uint64)
    begin = time.process_time()
    for _ in range(steps):
        np.sort(keys, axis=1)
    floor = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    write(f"{people:,} people, {len(pairs[0]):,} pairs, {steps} steps: {seconds:.1f} s")
    write(f"pair updates a second: {updates / seconds / 1e6:.1f} M")
    write(f"bare sort: {updates / floor / 1e6:.1f} M, {seconds / floor:.1f} times as fast")
    write(f"peak memory {peak:.2f} GiB")


def drawn_pairs(rng: np.random.Generator, side: int, candidates: int) -> tuple[Ints, Ints]:
    """Pairs of the two sides, each person with about so many."""
    drawn = rng.integers(side, 2 * side, side * candidates)
    return united([(np.arange(side), Ragged.of_lengths(np.full(side, candidates), drawn))])


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
