"""Whatever text a command or the configuration is given stays text: none of it is executed."""

import copy
import itertools
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from enum import EnumType
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings, load_config
from jobs.sandbox.market import load
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from jobs.sources.mongo import database
from jobs.steps import extract_sources
from recsys.as_of import AsOf
from recsys.config import Config, parse_config
from recsys.errors import MappingError
from recsys.sections.ids import Ids
from tests.architecture.cli_commands import commands
from tests.conftest import REPOSITORY
from tests.postgres.publications import DAY, RECORD, history, lists, passed, popular, query, tables

DROP = "DROP SCHEMA recs CASCADE"
HOSTILE = (
    f"'; {DROP}; --",
    f"1'; {DROP}; --",
    f"1; {DROP}",
    f"\\'; {DROP}; --",
    f'"; {DROP}; --',
    f"'); {DROP}; --",
    f"$$; {DROP}; $$",
    f"*/ {DROP}; /*",
    "' OR '1'='1",
    "%s %(user_id)s %(run_id)s %",
    "{} {0} {partition} {self.__class__}",
    "$(touch pwned) `touch pwned`; touch pwned",
    "../../../../etc/passwd",
    "1\x00",
    "\udcff",
    "[bold]🎈[/bold] \u202e\x1b[2J",
    "",
    "9" * 40,
    "x" * 100_000,
)
#: What the other parameters of a command get, by their type.
FITTING = {
    str: "1",
    int: "1",
    float: "0.1",
    datetime: "2026-01-01",
    AsOf: "2026-01-01",
    Path: "nowhere",
}
CATALOGUE = """
SELECT md5(string_agg(concat(c.oid, c.relname, c.relkind, c.relacl), ' ' ORDER BY c.oid)), count(*),
    (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_proc),
    (SELECT array_agg(run_id) FROM recs.run), (SELECT array_agg(user_id) FROM recs.user_list)
FROM pg_class AS c
"""


def parameters() -> Iterator[tuple[str, Any, Any]]:
    """Every parameter of every command that takes a value."""
    for name, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False):
                yield name, command, parameter


def words(name: str, command: Any, swept: Any, value: str) -> list[str]:
    """A command line that gives `value` to one parameter and what fits to the needed others."""
    given = name.split()[1:]
    for parameter in command.params:
        if parameter is swept or parameter.required:
            option = parameter.opts[:1] if parameter.opts[0].startswith("-") else []
            given += [*option, value if parameter is swept else fitting(parameter)]
    return given


def fitting(parameter: Any) -> str:
    """A value that the parameter takes."""
    kind = parameter.type_descriptor.annotation
    return str(next(iter(kind)).value if isinstance(kind, EnumType) else FITTING[kind])


@pytest.fixture(params=["bigint", "text"])
def published(
    request: pytest.FixtureRequest,
    bare_postgres_uri: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> SecretStr:
    """A live run, and an environment for commands, in a folder of its own."""
    ids = Ids(user=request.param, item=request.param)
    migrate(bare_postgres_uri, ids)
    one = "1" if request.param == "text" else 1
    made = tables(ids, lists(ids, (one, [one])), popular(ids, one))
    publish(PostgresSink(bare_postgres_uri, ids), RECORD, made, passed, 7)
    shipped = (REPOSITORY / "recsys.toml").read_text(encoding="utf-8")
    config = tmp_path / "recsys.toml"
    config.write_text(shipped.replace('"bigint"', f'"{request.param}"'), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSYS_POSTGRES_URI", bare_postgres_uri.get_secret_value())
    # Some commands ask it each time, and nobody answers there.
    monkeypatch.setenv("RECSYS_MONGO_URI", "mongodb://127.0.0.1:1/nowhere")
    monkeypatch.setattr("jobs.sources.mongo._TIMEOUT_MS", 50)
    monkeypatch.setenv("RECSYS_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("RECSYS_CONFIG", str(config))
    assert load_config().ids == ids
    return bare_postgres_uri


def test_no_argument_is_more_than_text(published: SecretStr, tmp_path: Path) -> None:
    before = query(published, CATALOGUE)
    for (name, command, swept), value in itertools.product(parameters(), HOSTILE):
        line = words(name, command, swept, value)
        result = CliRunner().invoke(app, line)
        check_the_end(line, result)
        assert query(published, CATALOGUE) == before, line
    assert {path.name for path in tmp_path.iterdir()} <= {"recsys.toml", "lake"}


def check_the_end(line: list[str], result: Result) -> None:
    """Either it worked, or one error says why not."""
    assert result.exception is None or isinstance(result.exception, SystemExit), line
    errors = re.findall(r"^error: |─ Error ─", result.output, re.MULTILINE)
    assert len(errors) == (result.exit_code != 0), (line, result.output)
    assert result.exit_code in {0, 2, *range(10, 50)}, line


def test_text_that_is_taken_comes_back_as_it_was(published: SecretStr) -> None:
    taken = [v for v in HOSTILE if "\x00" not in v and v != "\udcff"]
    ids = load_config().ids
    one = "1" if ids.user == "text" else 1
    made = tables(ids, lists(ids, (one, [one])), popular(ids, one))
    publish(PostgresSink(published, ids), RECORD, made, history, 7)
    for run, value in zip(itertools.cycle("21"), taken, strict=False):
        done = CliRunner().invoke(app, ["publish", run, "--force", value])
        assert done.exit_code == 0, done.output
    reasons = query(published, "SELECT reason FROM recs.switch ORDER BY switch_id OFFSET 1")
    assert reasons == [(f"forced: {value}",) for value in taken]


def names(shipped: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every name that the configuration takes of a source: its place and its columns."""
    for source, described in shipped["sources"].items():
        yield from ((source, name) for name in described if name != "columns")
        yield from ((source, name) for name in described["columns"])


@pytest.mark.parametrize("value", [f'x"; {DROP}; --', f"'; {DROP}; --", "$where", "{relation} %s"])
def test_no_name_of_the_configuration_is_more_than_a_name(
    settings: Settings, config: Config, value: str
) -> None:
    uri = settings.require_postgres()
    with connect(uri) as connection, database(settings.require_mongo()) as mongo:
        load(make_market(30, 24, 10, 400, 3, DAY), config.ids, connection, mongo, lambda *_: None)
    before = query(uri, CATALOGUE)
    shipped = tomllib.loads(settings.config.read_text(encoding="utf-8"))
    for source, name in names(shipped):
        changed = copy.deepcopy(shipped)
        described = changed["sources"][source]
        place = described if name in described else described["columns"]
        place[name] = [value] if isinstance(place[name], list) else value
        arguments = RunArguments(DAY, parse_config(changed, ""), settings, DAY.instant)
        with pytest.raises(MappingError, match="correct"):
            extract_sources.main(arguments)
        assert query(uri, CATALOGUE) == before, (source, name)
