"""The servers' own clocks, which say how far a source can be complete."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement
from jobs.sources.mongo import database
from recsys.errors import FutureDateError

_TOLERANCE: Final = timedelta(minutes=1)


def check_clocks(
    postgres: SecretStr | None, mongo: SecretStr | None, observed_at: datetime
) -> None:
    """Raises FutureDateError where the instant of a read lies ahead of a server's clock.

    What arrives between the two would be in a window that counts as read.
    """
    clocks = {
        "Postgres": _postgres_clock(postgres) if postgres else None,
        "MongoDB": _mongo_clock(mongo) if mongo else None,
    }
    for server, clock in clocks.items():
        if clock is not None and observed_at - clock > _TOLERANCE:
            raise FutureDateError(
                f"the sources would be read as of {observed_at:%Y-%m-%d %H:%M:%S} UTC, but "
                f"{server} says {clock:%Y-%m-%d %H:%M:%S}, so what arrives until then would never "
                "be read; set this machine's clock, or --observed-at"
            )


def _postgres_clock(uri: SecretStr) -> datetime | None:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("extract/clock"))
        row = cursor.fetchone()
    return row[0] if row else None


def _mongo_clock(uri: SecretStr) -> datetime | None:
    """None where a server does not tell."""
    with database(uri) as db:
        clock = db.client.admin.command("hello", codec_options=db.codec_options).get("localTime")
    return clock if isinstance(clock, datetime) else None
