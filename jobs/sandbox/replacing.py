"""Refusing to replace published runs and a lake that came from somebody's own sources."""

from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement
from jobs.lake.claims import Marker, mark, read_marker
from jobs.lake.partitions import Lake
from jobs.sandbox.market import COLLECTIONS, SCHEMA
from recsys.config import Config
from recsys.errors import SettingsError

_FLAG = "--replace-published"


def check_replaceable(uri: SecretStr, lake: Lake, config: Config) -> None:
    """Raises SettingsError where runs or partitions would go that came from somebody's own sources.

    Those of `recsys seed` and `recsys import` are marked, in Postgres and in the lake, and are made
    under a configuration that names their tables and collections alone.
    """
    own = sorted(s.place for s in config.sources.configured().values() if not _is_demo(s.place))
    runs, live, demo = _published(uri)
    marker, partitions = read_marker(lake.root), len(lake.partitions())
    lost = []
    if runs and (own or not demo):
        lost.append(_runs(runs, live))
    if partitions and (own or marker is None or not marker.demo):
        lost.append(f"{partitions} partitions of the lake {lake.root}")
    if lost:
        why = f"[sources] names {', '.join(own)}" if own else "no seed or import made them"
        raise SettingsError(
            f"this would destroy {' and '.join(lost)} ({why}); point RECSYS_POSTGRES_URI and "
            f"RECSYS_LAKE elsewhere, or say {_FLAG}"
        )


def check_no_runs(uri: SecretStr) -> None:
    """Raises SettingsError where runs are published."""
    runs, live, _ = _published(uri)
    if runs:
        raise SettingsError(
            f"this would destroy {_runs(runs, live)} and the tombstones; where that is meant, say "
            f"{_FLAG} too"
        )


def mark_demo(uri: SecretStr, lake: Lake) -> None:
    """Notes that what is published and in the lake from here on comes from demo data."""
    mark(lake.root, Marker(demo=True))
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("market/mark_published"))


def _is_demo(place: str) -> bool:
    return place in COLLECTIONS or place.startswith(f"{SCHEMA}.")


def _published(uri: SecretStr) -> tuple[int, int | None, bool]:
    """Number of published runs, the live one, and whether they are marked as a demo's."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("migrate/installed"))
        if cursor.fetchone() != (True,):
            return 0, None, False
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("market/published"))
        runs, live, demo = cursor.fetchone() or (0, None, False)
    return runs, live, demo


def _runs(runs: int, live: int | None) -> str:
    return f"{runs} published runs" + (f", run {live} of them live," if live else "")
