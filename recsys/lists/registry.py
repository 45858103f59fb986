"""The list steps there are, and their part of the configuration.

Every module of `recsys.lists.steps` that has `apply` is a list step and has a section of its own.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, cast

from pydantic import create_model

import recsys.lists.steps
from recsys.lists.contract import ListStep
from recsys.sections.base import Section


def _found() -> dict[str, ListStep]:
    names = sorted(module.name for module in iter_modules(recsys.lists.steps.__path__))
    modules = {name: import_module(f"recsys.lists.steps.{name}") for name in names}
    return {
        name: cast("ListStep", module)
        for name, module in modules.items()
        if hasattr(module, "apply")
    }


LIST_STEPS: Final = _found()
"""Every list step by name, in the order of names."""

_SECTIONS: Final[dict[str, Any]] = {
    name: (module.Config, module.Config()) for name, module in LIST_STEPS.items()
}
ListSteps: type[Section] = create_model("ListSteps", __base__=Section, **_SECTIONS)
