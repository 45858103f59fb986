"""The Postgres URI in the form that its drivers take."""

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
from pydantic import SecretStr

from recsys.errors import SettingsError


def address(uri: SecretStr, connect_seconds: int, options: str = "") -> str:
    """A connection string with limits of its own where the URI sets none.

    options: settings of the session, beside those of the URI. Raises SettingsError, which does not
    show the URI, where it is none.
    """
    try:
        given = parse_dsn(uri.get_secret_value())
    except psycopg2.ProgrammingError:
        # Its text holds the URI, and so the password.
        message = "RECSYS_POSTGRES_URI is not a URI of Postgres; correct it"
        raise SettingsError(message) from None
    limits = {
        "application_name": "recsys",
        "connect_timeout": connect_seconds,
        # The limit for hosts that vanish: how long what is sent may stay unacknowledged.
        "tcp_user_timeout": 60_000,
    }
    given["options"] = f"{given.get('options', '')} {options}".strip()
    return str(make_dsn(**{**limits, **given, "client_encoding": "UTF8"}))
