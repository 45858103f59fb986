"""Threads of OpenMP, which LightGBM works with."""

import os


def let_idle_threads_sleep() -> None:
    """Set the policy by which threads of OpenMP wait, for libraries that are loaded later.

    By default they spin until others are done; on a machine that is busy they then take the cores of
    those that work, and fitting rankers took many times as long. What the environment says stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
