"""Commands whose modules are imported when they are called, so that the others start at once."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class Deferred(TyperCommand):
    """A command known by name and help, made from its function or group once it is called."""

    def __init__(self, name: str, target: str, summary: str, *, lenient: bool = False) -> None:
        """target: `module:object`. lenient: words that look like options may be arguments."""
        super().__init__(name, help=summary)
        self._target = target
        self._lenient = lenient

    def load(self) -> Any:
        """Imports the module and makes the command."""
        module, _, attribute = self._target.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            return _flowing(typer.main.get_command(found))
        alone = typer.Typer(add_completion=False)
        alone.command(self.name, context_settings={"ignore_unknown_options": self._lenient})(found)
        return _flowing(typer.main.get_command(alone))

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Hands the command line to the command itself."""
        return self.load().make_context(info_name, args, parent=parent, **extra)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Completes as the command itself does."""
        return self.load().shell_complete(ctx, incomplete)


def _flowing(command: Any) -> Any:
    """Lets the terminal break the lines of a help text, not the source code."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
    for below in getattr(command, "commands", {}).values():
        _flowing(below)
    return command


def by_name(commands: Sequence[Deferred]) -> dict[str, Any]:
    """The commands as a group keeps them."""
    return {str(command.name): command for command in commands}
