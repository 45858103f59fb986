"""Prints what a step of a night read and wrote as one line of JSON, for lineage events.

Rows, bytes and contract results are those that the lake states; of events, of all that the night
knows. Places and columns are those of the configuration and of `recsys.schemas`. The scheduler asks
after a step has ended.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from psycopg2.extensions import parse_dsn
from upath import UPath

from jobs.lake.facts import RuleFacts
from jobs.lake.files import is_local
from jobs.lake.manifests import Manifest
from jobs.lake.partitions import Lake, Partition
from jobs.run.entrypoint import lake_of
from jobs.run.reporting import report
from jobs.run.settings import Settings, load_config, load_settings
from jobs.steps import NAMES
from jobs.stores.models import CHOICE, HOLDOUT_MODEL, MODELS
from jobs.stores.stages import Stage, rule_results
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.errors import RecsysError
from recsys.schemas import (
    EVENT_SOURCES,
    FALLBACK,
    HISTORIES,
    ITEMS,
    LISTS,
    QUARANTINE,
    RAW,
    RECENT_EVENTS,
    Table,
)
from recsys.sections.sources import Source

Group = Literal[
    "sources", "raw", "profiles", "recent events", "models", "holdout models", "published"
]
"""Datasets that the configuration says the names of."""
_TABLES: Final = {
    table.name: table for table in (QUARANTINE, ITEMS, HISTORIES, RECENT_EVENTS, LISTS, FALLBACK)
}
_MATRIX: Final = (HISTORIES.name, ITEMS.name)
_CHOICE: Final = f"{MODELS}/{CHOICE}"
_PUBLISHED: Final = {
    LISTS.name: "user_list",
    FALLBACK.name: "fallback_list",
    QUARANTINE.name: "quarantined_row",
}
"""Table of `recs` that each table of the lake is published to."""


@dataclass(frozen=True)
class Flow:
    """Tables of the lake, and groups of datasets, that a step reads and writes."""

    reads: Sequence[str]
    writes: Sequence[str] = ()
    stage: Stage | None = None
    """The stage whose contracts the step holds what it reads to."""


FLOWS: Final[Mapping[str, Flow]] = {
    "extract_sources": Flow(["sources"], ["raw"]),
    "check_sources": Flow(["raw"], stage="sources"),
    "build_matrix": Flow(["raw"], [*_MATRIX, QUARANTINE.name, "recent events"]),
    "check_matrix": Flow(_MATRIX, stage="matrix"),
    "train_generators": Flow([*_MATRIX, "profiles"], ["models", "holdout models"]),
    "choose_ranking": Flow([*_MATRIX, "profiles", "recent events", "holdout models"], [_CHOICE]),
    "rank_lists": Flow(
        [*_MATRIX, "profiles", "recent events", "models", _CHOICE], [LISTS.name, FALLBACK.name]
    ),
    "check_lists": Flow([LISTS.name, *_MATRIX], stage="lists"),
    "publish_lists": Flow([*_PUBLISHED], ["published"]),
}


@dataclass(frozen=True)
class Field:
    """A column of a dataset."""

    name: str
    type: str
    description: str = ""


@dataclass(frozen=True)
class Assertion:
    """A rule of a contract, as a dataset was held to it."""

    name: str
    success: bool
    severity: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Dataset:
    """A dataset as a step read or wrote it, named as OpenLineage names places."""

    namespace: str
    name: str
    fields: Sequence[Field] = ()
    version: str | None = None
    """As-of of the partition; None of what has none."""
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None
    assertions: Sequence[Assertion] = ()


@dataclass(frozen=True)
class StepLineage:
    """What a step read and wrote."""

    inputs: Sequence[Dataset]
    outputs: Sequence[Dataset]


@dataclass(frozen=True)
class Places:
    """The datasets of a night."""

    lake: Lake
    settings: Settings
    config: Config
    as_of: AsOf

    def of(self, step: str) -> StepLineage:
        """What a step read and wrote, as far as it is there."""
        flow = FLOWS[step]
        asserted = {} if flow.stage is None else self._assertions(flow.stage)
        return StepLineage(
            tuple(self._datasets(flow.reads, asserted)), tuple(self._datasets(flow.writes, {}))
        )

    def _datasets(
        self, names: Sequence[str], asserted: Mapping[str, Sequence[Assertion]]
    ) -> Iterator[Dataset]:
        for name in names:
            if name == "sources":
                yield from map(self._source, self.config.sources.configured().values())
            elif name == "published":
                yield from map(self._published, _PUBLISHED.items())
            else:
                for table in self._tables(name):
                    yield from self._kept(table, asserted.get(table, ()))

    def _tables(self, name: str) -> Sequence[str]:
        """Tables of the lake in a group, or the one of the name."""
        configured = self.config.sources.configured()
        used = self.config.generators.used()
        groups: Mapping[str, Sequence[str]] = {
            "raw": [RAW[source].name for source in configured],
            "profiles": [RAW[source].name for source in configured if source.endswith("profiles")],
            "recent events": [RECENT_EVENTS.name] if self.config.objectives else [],
            "models": [f"{MODELS}/{generator}" for generator in used],
            "holdout models": [f"{MODELS}/{HOLDOUT_MODEL.format(each)}" for each in used],
        }
        return groups.get(name, [name])

    def _kept(self, name: str, assertions: Sequence[Assertion]) -> Iterator[Dataset]:
        """A table of the lake; none where nothing of it is there."""
        manifests = [each.manifest() for each in self._partitions(name) if each.exists()]
        if manifests:
            table = _TABLES.get(name) or RAW.get(name.removeprefix("raw/"))
            namespace, place = _place(self.lake.root / name)
            yield Dataset(
                namespace,
                place,
                fields=() if table is None else tuple(_fields(table, self.config)),
                version=str(self.as_of),
                assertions=assertions,
                **_sizes(manifests),
            )

    def _partitions(self, name: str) -> list[Partition]:
        """What a night reads of a table: of events every window that it knows."""
        source = name.removeprefix("raw/")
        if source not in EVENT_SOURCES:
            return [self.lake.as_of(name, self.as_of)]
        place = self.lake.events_of(name, self.config.source_fingerprint(source))
        window = self.config.window.before(self.as_of)
        known = [each for each in self.lake.windows(place) if each.start < window.end]
        undated = self.lake.as_of(f"{place}/undated", self.as_of)
        return [*(self.lake.window(place, each) for each in known), undated]

    def _assertions(self, stage: Stage) -> Mapping[str, Sequence[Assertion]]:
        by_table = defaultdict[str, list[Assertion]](list)
        for rule in rule_results(self.lake, self.as_of, stage):
            by_table[rule.table].append(_assertion(rule))
        return by_table

    def _source(self, source: Source) -> Dataset:
        mapped = source.fields().items()
        fields = tuple(Field(name, "", column) for column, names in mapped for name in names)
        if source.table is not None:
            return self._in_postgres(source.table, fields)
        namespace, database = _mongo(self.settings.require_mongo().get_secret_value())
        return Dataset(namespace, f"{database}.{source.collection}", fields)

    def _published(self, pair: tuple[str, str]) -> Dataset:
        name, published = pair
        partition = self.lake.as_of(name, self.as_of)
        fields = tuple(_fields(_TABLES[name], self.config))
        rows = partition.manifest().rows if partition.exists() else None
        return self._in_postgres(f"recs.{published}", fields, rows)

    def _in_postgres(self, table: str, fields: Sequence[Field], rows: int | None = None) -> Dataset:
        given = parse_dsn(self.settings.require_postgres().get_secret_value())
        host = given.get("host", "localhost")
        server = "localhost" if host.startswith("/") else host
        namespace = f"postgres://{server}:{given.get('port', 5432)}"
        database = given.get("dbname") or given.get("user", "")
        return Dataset(namespace, f"{database}.{table}", fields, rows=rows)


def _mongo(uri: str) -> tuple[str, str]:
    """Namespace and database of a MongoDB URI that was found to be one."""
    # It imports the driver, which no other step needs here.
    from jobs.sources.mongo import DEFAULT_DATABASE  # noqa: PLC0415

    authority, _, path = uri.partition("://")[2].partition("/")
    hosts = authority.rpartition("@")[2]
    return f"mongodb://{hosts}", path.partition("?")[0] or DEFAULT_DATABASE


def _place(path: UPath) -> tuple[str, str]:
    """Namespace and name of a folder, as OpenLineage names those of disks and object stores."""
    if is_local(path):
        return "file", str(Path(path.path))
    bucket, _, key = path.path.partition("/")
    return f"{path.protocol}://{bucket}", key


def _fields(table: Table, config: Config) -> Iterator[Field]:
    for column, field in zip(table.columns, table.arrow(config.ids), strict=True):
        yield Field(column.name, str(field.type), column.meaning)


def _sizes(manifests: Iterable[Manifest]) -> dict[str, int]:
    files = [file for manifest in manifests for file in manifest.files]
    return {
        "rows": sum(file.rows for file in files),
        "bytes": sum(file.bytes for file in files),
        "files": len(files),
    }


def _assertion(rule: RuleFacts) -> Assertion:
    return Assertion(
        name=rule.rule,
        success=rule.passed,
        severity="error" if rule.severity == "fail" else "warn",
        expected=rule.allowed,
        actual=rule.observed,
    )


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=NAMES)
    parser.add_argument("--as-of", type=AsOf.parse, required=True, metavar="DATE|INSTANT")
    return parser


def main(step: str, as_of: AsOf) -> StepLineage:
    settings = load_settings()
    return Places(lake_of(settings), settings, load_config(), as_of).of(step)


if __name__ == "__main__":
    arguments = arg_parser().parse_args()
    try:
        sys.stdout.write(f"{json.dumps(asdict(main(arguments.step, arguments.as_of)))}\n")
    except RecsysError as error:
        sys.exit(report(error))
