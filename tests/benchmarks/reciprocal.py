"""Processor time and memory of the list step `reciprocal`, part by part, without ranking.

    python -m tests.benchmarks.reciprocal --people 25000
    python -m tests.benchmarks.reciprocal --people 100000

Each person's pool has so many others at random, some more often than others. The exponent of two
sizes is what the step grows by; nothing is asserted on times.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from scipy import sparse

from recsys.arrays import Ragged
from recsys.lists.steps.reciprocal import STRANGERS
from recsys.matching.health import Outcome
from recsys.matching.lists import Balance, inbox_lists, simultaneous_lists
from recsys.matching.pools import People, PoolChances, PooledMarket, proposed

LENGTH: Final = 20
_CROWDED: Final = 1.5
"""Power by which numbers of people are drawn: low ones more often."""
_ENVIOUS: Final = 500

Found = TypeVar("Found")


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=25_000)
    parser.add_argument("--pool", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main(*, people: int, pool: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pools, rows = drawn_pools(rng, people, pool), People.of(np.arange(people), people)
    asked = timed("who is asked", lambda: proposed(pools, rows, pool, STRANGERS, seed))
    whole = united((pools, asked), people)
    chances = PoolChances(*rng.random((2, len(whole.values))))
    nobody, keys = sparse.csr_matrix((people, people), dtype=bool), np.arange(people)
    market = timed(
        "market", lambda: PooledMarket.of(whole, chances, rows, nobody, keys.astype(np.uint64))
    ).market
    made = timed("lists", lambda: simultaneous_lists(market, LENGTH, Balance()))
    alone = timed("one-sided lists", lambda: inbox_lists(market, LENGTH, "likes"))
    everybody = np.ones(people, np.bool_)
    timed(
        "figures",
        lambda: [Outcome(market, it).health(everybody, _ENVIOUS, seed) for it in (made, alone)],
    )
    write(f"candidates a person: {len(market.likes) / people:.0f}")


def timed(name: str, work: Callable[[], Found]) -> Found:
    begin = time.process_time()
    found = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    write(f"{name}: {time.process_time() - begin:.1f} s, peak {peak:.2f} GiB")
    return found


def drawn_pools(rng: np.random.Generator, people: int, pool: int) -> Ragged:
    """Pools of so many others, at most once each."""
    drawn = (rng.random((people, pool)) ** _CROWDED * people).astype(np.int64)
    return united([Ragged.of_lengths(np.full(people, pool), drawn.ravel())], people)


def united(parts: Sequence[Ragged], people: int) -> Ragged:
    """Lists of what any part has, once each and without oneself."""
    pairs = np.unique(np.concatenate([part.pairs() for part in parts]))
    owners, others = pairs >> 32, pairs & (2**32 - 1)
    kept = owners != others
    return Ragged.of_lengths(np.bincount(owners[kept], minlength=people), others[kept])


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
