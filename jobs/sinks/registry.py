"""The sinks that follow the record: a module of this room each, found by its file."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from pydantic import SecretStr, ValidationError

import jobs.sinks
from jobs.sinks.base import Sink, SinkModule
from recsys.config import explain
from recsys.errors import ConfigError


def open_sinks(configured: Mapping[str, Mapping[str, Any]], record: SecretStr) -> dict[str, Sink]:
    """The configured sinks by name. record: the URI of Postgres.

    Raises ConfigError where one is unknown or its section wrong.
    """
    return {name: _opened(name, section, record) for name, section in configured.items()}


def _found() -> dict[str, SinkModule]:
    names = sorted(each.name for each in iter_modules(jobs.sinks.__path__) if not each.ispkg)
    modules = {name: import_module(f"jobs.sinks.{name}") for name in names}
    return {
        name: cast("SinkModule", module)
        for name, module in modules.items()
        if hasattr(module, "open_sink")
    }


def _opened(name: str, section: Mapping[str, Any], record: SecretStr) -> Sink:
    module = _found().get(name)
    if module is None:
        raise ConfigError(f"sinks.{name}: there is no such sink; there is {', '.join(_found())}")
    try:
        config = module.Config.model_validate(section)
    except ValidationError as error:
        raise ConfigError(explain(error, f"sinks.{name}")) from None
    return module.open_sink(config, record)
