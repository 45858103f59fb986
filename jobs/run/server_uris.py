"""Strict parsing of the servers' URIs, so that no driver ever quotes a piece of a password.

A driver takes a URI with an unescaped character apart in its own way, and its message then shows
what it took for a host, a port or a database. Such a URI is refused here, without being shown.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn

from recsys.errors import SettingsError

POSTGRES: Final = "Postgres"
MONGO: Final = "MongoDB"
_SCHEMES: Final = {
    POSTGRES: ("postgresql", "postgres"),
    MONGO: ("mongodb", "mongodb+srv"),
}
_FORM: Final = {
    POSTGRES: "postgresql://user:password@host:5432/database, or key=value pairs of libpq",
    MONGO: "mongodb://user:password@host:27017/database",
}
_ESCAPED: Final = (
    "with each of @ : / ? # % [ ] and space in user and password percent-encoded (%40 for @)"
)
_PLAIN: Final = r"(?:%[0-9A-Fa-f]{2}|[^%@:/?#\[\]\s\x00-\x1f\x7f])"
_QUERY: Final = r"(?:%[0-9A-Fa-f]{2}|[^%@?#\[\]\s\x00-\x1f\x7f])"
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|(?:%[0-9A-Fa-f]{2}|[\w.-])+)?(?::\d{1,5})?"
_URI: Final = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+]*)://"
    rf"(?:{_PLAIN}*(?::(?P<password>{_PLAIN}*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    rf"(?:/{_PLAIN}*)?(?:\?(?P<query>{_QUERY}*))?"
)
_PAIRS: Final = re.compile(r"\s*[a-z_]+\s*=")
#: Parameters whose values are secret.
_SECRET: Final = re.compile(r"password|passphrase|mechanismproperties|token|secret", re.IGNORECASE)
#: A login, or a secret parameter, in what should be a folder or a host.
_LOGIN: Final = re.compile(rf":.*@|(?:{_SECRET.pattern})\w*\s*=", re.IGNORECASE | re.DOTALL)
_LONGEST_PIECE_SHOWN: Final = 3


@dataclass(frozen=True)
class ServerUri:
    """A URI whose parts are beyond doubt."""

    text: str
    secrets: tuple[str, ...]
    """Passwords and the like, as they are written and as they are meant."""


def parse_postgres(text: str, variable: str) -> ServerUri:
    """Checks a Postgres URI, or key=value pairs as libpq takes them.

    variable: where it comes from. Raises SettingsError, which never shows what may be secret.
    """
    if not _PAIRS.match(text):
        _checked(text, variable, POSTGRES)
    try:
        values = parse_dsn(text)
    # Its message quotes what libpq could not read, or bytes that are no UTF-8.
    except (ProgrammingError, UnicodeDecodeError):
        raise _refusal(variable, POSTGRES) from None
    decoded = [str(v) for name, v in values.items() if _SECRET.search(name)]
    return ServerUri(text, (*decoded, *_written(text)))


def parse_mongo(text: str, variable: str) -> ServerUri:
    """Checks a MongoDB URI; raises SettingsError, which never shows what may be secret."""
    _checked(text, variable, MONGO)
    return ServerUri(text, tuple(_written(text)))


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A message with *** for every piece of a secret that is longer than three characters."""
    hidden = [False] * len(text)
    size = _LONGEST_PIECE_SHOWN + 1
    for secret in secrets:
        for piece in {secret[i : i + size] for i in range(len(secret) - size + 1)}:
            start = text.find(piece)
            while start >= 0:
                hidden[start : start + size] = [True] * size
                start = text.find(piece, start + 1)
    kept = "".join("\0" if hide else letter for letter, hide in zip(text, hidden, strict=True))
    return re.sub("\0+", "***", kept)


def may_hold_a_login(place: str) -> bool:
    """True if a folder or another address may be a server's login by mistake."""
    _, is_uri, rest = place.partition("://")
    return _LOGIN.search(rest if is_uri else place) is not None


def holds_a_password(place: str) -> bool:
    """True if a URI of another kind has, or may have, a login with a password in it."""
    rest = place.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, at, _ = authority.rpartition("@")
    if at:
        return ":" in login
    _, colon, port = authority.partition(":")
    # An unescaped slash in a password ends what looks like host and port.
    return bool(colon) and (not port.isdecimal() or "@" in rest)


def _checked(text: str, variable: str, server: str) -> None:
    found = _URI.fullmatch(text)
    if found is None:
        raise _refusal(variable, server)
    if found["scheme"] not in _SCHEMES[server]:
        where = re.sub(r"%..", "_", found["hosts"])
        raise SettingsError(
            f"{variable} is not a URI of {server} but {found['scheme']}:// on {where}; "
            f"give it as {_FORM[server]}"
        )
    ports = [int(port) for port in re.findall(r":(\d+)(?:,|$)", found["hosts"])]
    if not all(0 < port < 2**16 for port in ports):
        raise _refusal(variable, server)


def _refusal(variable: str, server: str) -> SettingsError:
    return SettingsError(
        f"{variable} is not a URI of {server}; give it as {_FORM[server]}, {_ESCAPED}. "
        "It is not shown, as it may hold a password"
    )


def _written(text: str) -> Iterator[str]:
    """The secret parts of a URI, with and without percent-encoding."""
    found = _URI.fullmatch(text)
    if found is None:
        return
    query = found["query"] or ""
    raw = dict(part.partition("=")[::2] for part in query.split("&"))
    given = [value for name, value in raw.items() if _SECRET.search(unquote(name))]
    meant = [value for name, value in parse_qsl(query) if _SECRET.search(name)]
    for secret in (found["password"] or "", *given, *meant):
        yield from (secret, unquote(secret))
