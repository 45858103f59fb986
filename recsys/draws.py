"""Random numbers that are a function of what they are for, not of who was drawn for before."""

import numpy as np
import numpy.typing as npt

from recsys.arrays import Floats

Words = npt.NDArray[np.uint64]


def mixed(words: Words) -> Words:
    """Outputs of splitmix64 (Steele, Lea and Flood 2014), each word taken as its state."""
    state = words + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


def uniform(one: Words, other: Words, seed: int) -> Floats:
    """(n, m) draws from (0, 1), each of the seed and a pair alone. one: (n,). other: (m,)."""
    keyed = mixed(one ^ mixed(np.array([seed], np.uint64)))
    words = mixed(keyed[:, np.newaxis] ^ mixed(other))
    return np.asarray(((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)
