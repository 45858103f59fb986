"""The generators there are, and their part of the configuration.

Every module of `recsys.generators` that can be fitted is a generator and has a section of its own.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, Self, cast

from pydantic import create_model, model_validator

import recsys.generators
from recsys.generators.contract import Generator, GeneratorConfig
from recsys.sections.base import Section


def _found() -> dict[str, Generator]:
    names = sorted(module.name for module in iter_modules(recsys.generators.__path__))
    modules = {
        name: import_module(f"recsys.generators.{name}") for name in names if name != "registry"
    }
    return {
        name: cast("Generator", module)
        for name, module in modules.items()
        if hasattr(module, "fit")
    }


GENERATORS: Final = _found()
"""Every generator by name, in the order of names."""


class _Chosen(Section):
    """The candidate generators; one of weight 0 is neither fitted nor asked."""

    @model_validator(mode="after")
    def some_weight(self) -> Self:
        if not self.used():
            raise ValueError("at least one generator needs a weight above 0")
        return self

    def used(self) -> Mapping[str, GeneratorConfig]:
        """The sections of the generators that take part, by name."""
        sections = {name: self.section(name) for name in GENERATORS}
        return {name: section for name, section in sections.items() if section.weight > 0}

    def section(self, name: str) -> GeneratorConfig:
        """The section of one generator, whether it takes part or not."""
        section: GeneratorConfig = getattr(self, name)
        return section

    def weights(self) -> list[float]:
        """Weights of the generators that take part, in the order of `used`."""
        return [section.weight for section in self.used().values()]


_SECTIONS: Final[dict[str, Any]] = {
    name: (module.Config, module.Config()) for name, module in GENERATORS.items()
}
Generators: type[_Chosen] = create_model("Generators", __base__=_Chosen, **_SECTIONS)
