"""Threads of OpenMP, which `implicit` works with."""

import os


def let_idle_threads_sleep() -> None:
    """Set the policy by which threads of OpenMP wait, for libraries that are loaded later.

    By default they spin until others are done. On a busy machine they take the cores of those that
    work. What the environment says stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
