"""The sinks that follow the record: a module of this room each, found by its file."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, cast

from pydantic import SecretStr, ValidationError

import jobs.sinks
from jobs.sinks.base import Sink, SinkModule
from recsys.errors import ConfigError

_NOT_SINKS: Final = frozenset({"base", "following", "publishing", "registry"})


def open_sinks(configured: Mapping[str, Mapping[str, Any]], record: SecretStr) -> dict[str, Sink]:
    """The configured sinks by name. record: the URI of Postgres.

    Raises ConfigError where one is unknown or its section wrong.
    """
    return {name: _opened(name, section, record) for name, section in configured.items()}


def _opened(name: str, section: Mapping[str, Any], record: SecretStr) -> Sink:
    modules = iter_modules(jobs.sinks.__path__)
    known = {each.name for each in modules if not each.ispkg} - _NOT_SINKS
    if name not in known:
        raise ConfigError(
            f"sinks.{name}: there is no such sink; there is {', '.join(sorted(known))}"
        )
    module = cast("SinkModule", import_module(f"jobs.sinks.{name}"))
    try:
        config = module.Config.model_validate(section)
    except ValidationError as error:
        first, *_ = error.errors(include_url=False, include_context=False)
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"sinks.{name}.{field}: {first['msg']} (got {first['input']!r})"
        ) from None
    return module.open_sink(config, record)
