"""`recsys doctor`: each fault broken on purpose, found by itself, told with what to do."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.db.postgres import connect
from jobs.run import settings as environment
from jobs.sandbox.market import load
from jobs.sandbox.seed import make_market
from jobs.sources import mongo
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from tests.finished_nights import FinishedNight, Publisher
from tests.logins import as_admin, as_login
from tests.small_disks import small_disk

LAST = AsOf.midnight(datetime.now(UTC).date())


@dataclass(frozen=True)
class World:
    """Servers, a lake and a configuration in which nothing is wrong, until a test breaks it."""

    publisher: Publisher
    patch: pytest.MonkeyPatch
    codes: dict[str, int] = field(default_factory=dict)
    """Exit codes by place, as they were last told."""

    @property
    def uri(self) -> SecretStr:
        return self.publisher.settings.require_postgres()

    def execute(self, text: str) -> None:
        with connect(as_admin(self.uri)) as connection:
            connection.cursor().execute(text)

    def set(self, name: str, value: object) -> None:
        self.patch.setenv(name, str(value))

    def examined(self) -> tuple[int, dict[str, tuple[str, str]]]:
        """Exit code, and level and message by place."""
        done = CliRunner().invoke(app, ["doctor", "--json"])
        told = json.loads(done.stdout)
        self.codes.update({each["place"]: each["exit_code"] for each in told})
        return done.exit_code, {each["place"]: (each["level"], each["message"]) for each in told}

    def wrong(self) -> tuple[int, dict[str, str]]:
        """Exit code, and the message of each place where something is wrong."""
        code, found = self.examined()
        return code, {place: told for place, (level, told) in found.items() if level == "wrong"}


@pytest.fixture
def world(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(publisher, monkeypatch)
    mongo_uri = publisher.settings.require_mongo()
    with connect(made.uri) as connection, database(mongo_uri) as documents:
        market = make_market(30, 20, 5, 200, 7, LAST)
        load(market, publisher.config.ids, connection, documents, lambda *_: None)
    publisher.publish(FinishedNight(lists={1: [100_001]}, as_of=LAST))
    made.set(environment.POSTGRES_URI, made.uri.get_secret_value())
    made.set(environment.MONGO_URI, mongo_uri.get_secret_value())
    made.set(environment.LAKE, publisher.settings.lake)
    made.set(environment.CONFIG, publisher.settings.config)
    made.set("COLUMNS", 80)
    return made


def test_what_is_well_is_told_line_by_line(world: World) -> None:
    code, found = world.examined()
    assert (code, {place for place, (level, _) in found.items() if level == "wrong"}) == (0, set())
    assert [*found][:5] == ["Java", "packages", "configuration", "lake", "disk"]
    for place in ("Postgres", "MongoDB", "items", "events", "published side", "live run"):
        assert found[place][0] == "ok"
    shown = CliRunner().invoke(app, ["doctor"]).stdout
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert re.search(r"^ok +Java +version (1[7-9]|[2-9]\d)", shown)


def old_java(world: World) -> str:
    home = world.publisher.settings.sandbox
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    (home / "bin" / "java").chmod(0o755)
    world.set("JAVA_HOME", home)
    return "found Java 11; install a package like openjdk-17-jre-headless"


def no_java(world: World) -> str:
    world.set("JAVA_HOME", world.publisher.settings.sandbox)
    return "found no Java; install a package like openjdk-17-jre-headless"


def a_migration_less(world: World) -> str:
    world.execute("DELETE FROM recs.migration WHERE number = 10")
    return "migrations 0010_as_of_is_an_instant have not run; run `recsys migrate`"


def a_column_less(world: World) -> str:
    world.execute("ALTER TABLE market.items RENAME COLUMN title TO label")
    return "table market.items has no column 'title'; it has item_id, label"


def a_field_less(world: World) -> str:
    with database(world.publisher.settings.require_mongo()) as documents:
        documents["events"].update_many({}, {"$rename": {"type": "kind"}})
    return "no document of collection events has a field 'type'; correct the mapping"


def a_folder_that_is_no_lake(world: World) -> str:
    folder = world.publisher.settings.sandbox.with_name("thesis")
    folder.mkdir()
    (folder / "thesis.txt").touch()
    world.set(environment.LAKE, folder)
    return "is no lake, it holds thesis.txt; name a folder"


def a_lake_of_newer_code(world: World) -> str:
    lake = Path(world.publisher.settings.lake.path)
    (lake / ".recsys-lake").write_text('{"layout": 99}', encoding="utf-8")
    return "has layout 99, and this code knows 2; install the code that made it"


def a_setting_that_is_nonsense(world: World) -> str:
    path = world.publisher.settings.sandbox.with_name("nonsense.toml")
    shipped = world.publisher.settings.config.read_text(encoding="utf-8")
    path.write_text(shipped + "\n[lists]\nlength = 0\n", encoding="utf-8")
    world.set(environment.CONFIG, path)
    return "field lists.length: Input should be greater than 0"


@pytest.mark.parametrize(
    "faults",
    [
        {
            "Java": (no_java, 41),
            "lake": (a_lake_of_newer_code, 42),
            "items": (a_column_less, 11),
            "published side": (a_migration_less, 16),
            "events": (a_field_less, 11),
        },
        {
            "Java": (old_java, 41),
            "configuration": (a_setting_that_is_nonsense, 10),
            "lake": (a_folder_that_is_no_lake, 12),
        },
    ],
)
def test_each_fault_is_found_and_told_with_its_remedy(
    world: World, faults: Mapping[str, tuple[Callable[[World], str], int]]
) -> None:
    expected = {place: (breaking(world), code) for place, (breaking, code) in faults.items()}
    _, found = world.wrong()
    assert [*found] == [*expected]
    for place, (said, code) in expected.items():
        assert said in found[place]
        assert world.codes[place] == code


def test_servers_that_are_down_keep_nothing_else_from_being_looked_at(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo, "_TIMEOUT_MS", 300)
    world.set(environment.POSTGRES_URI, f"postgresql://someone:pa55word@/db?host={tmp_path}")
    world.set(environment.MONGO_URI, "mongodb://someone:pa55word@127.0.0.1:9/x")
    code, found = world.examined()
    assert (code, {place: level for place, (level, _) in found.items()}) == (
        31,
        dict.fromkeys(("Java", "packages", "configuration", "lake", "disk"), "ok")
        | dict.fromkeys(("Postgres", "MongoDB"), "wrong"),
    )
    for place, server in (("Postgres", "POSTGRES"), ("MongoDB", "MONGO")):
        assert f"check that the server runs and RECSYS_{server}_URI points at it" in found[place][1]
    assert "pa55word" not in str(found)


@pytest.fixture
def stranger(world: World) -> Iterator[str]:
    """A login that has been granted nothing but one table."""
    world.execute(
        "CREATE ROLE stranger LOGIN; GRANT USAGE ON SCHEMA market TO stranger;"
        "GRANT SELECT ON market.users TO stranger"
    )
    yield "stranger"
    world.execute("DROP OWNED BY stranger; DROP ROLE stranger")


def test_missing_rights_are_named_with_the_grants(world: World, stranger: str) -> None:
    world.set(environment.POSTGRES_URI, as_login(world.uri, stranger).get_secret_value())
    code, found = world.wrong()
    assert code == 14
    assert {"items", "interactions", "blocks", "published side"} <= {*found}
    assert "users" not in found
    assert "grant it SELECT on the mapped columns" in found["items"]
    assert "`GRANT recsys_writer TO stranger`" in found["published side"]


def test_a_disk_that_is_nearly_full_is_told_before_it_is_full(world: World) -> None:
    with small_disk(20) as disk:
        world.set(environment.LAKE, disk / "lake")
        code, found = world.wrong()
    assert (code, [*found]) == (43, ["disk"])
    assert "0.0 GiB are free where the lake is; remove as-ofs that nobody needs" in found["disk"]


def test_a_live_run_that_nobody_has_renewed_is_wrong_unless_the_configuration_waits_longer(
    world: World,
) -> None:
    late = LAST + timedelta(days=-4)
    world.publisher.publish(FinishedNight(lists={1: [100_001]}, as_of=late), promote=True)
    code, found = world.wrong()
    assert (code, [*found]) == (20, ["live run"])
    assert f"run 2 as of {late} is " in found["live run"]
    assert "more than 48; `recsys status` says what became of the nights" in found["live run"]
    path = world.publisher.settings.sandbox.with_name("patient.toml")
    shipped = world.publisher.settings.config.read_text(encoding="utf-8")
    path.write_text(shipped + "\n[nights]\nmax_age_hours = 121\n", encoding="utf-8")
    world.set(environment.CONFIG, path)
    assert world.wrong() == (0, {})
