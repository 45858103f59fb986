"""Commands of the command line, groups resolved."""

from collections.abc import Iterator
from typing import Any

from jobs.cli.deferred import Deferred


def commands(group: Any, path: str = "recsys") -> Iterator[tuple[str, Any]]:
    """Every command below a group: how it is called, and its click command."""
    for name, found in group.commands.items():
        command = found.load() if isinstance(found, Deferred) else found
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command
