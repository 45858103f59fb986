"""`recsys init`: a first `recsys.toml` from what the databases hold."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from jobs.app.first_config import exists, propose, tried, write
from jobs.readiness import Problem
from jobs.run.server_uris import ServerUri, parse_mongo, parse_postgres, without_secrets
from jobs.run.settings import MONGO_URI, POSTGRES_URI, Settings, load_settings
from recsys.errors import SettingsError

_NOT_HERE = "other users of this machine see it there; set {} instead"


def init(
    postgres: Annotated[
        str | None,
        typer.Option(help="URI of Postgres, without a password.", show_default=POSTGRES_URI),
    ] = None,
    mongo: Annotated[
        str | None,
        typer.Option(help="URI of MongoDB, without a password.", show_default=MONGO_URI),
    ] = None,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, neither for URIs nor before writing.")
    ] = False,
) -> None:
    """Propose a recsys.toml from what the databases hold, write it, and try it.

    Looks at a thousand rows of each table and collection, finds users, items, events,
    blocks and profiles by what refers to what, and shows the file before it writes
    it. Then it reads a hundred rows of each source as a night does. URIs come from
    the options, the environment or the keyboard, and are never written down.

    Example: recsys init --yes
    """
    settings = load_settings()
    path = settings.config
    if path.exists():
        raise exists(path)
    ask = not yes
    servers = settings.model_copy(
        update={
            "postgres_uri": _uri(POSTGRES_URI, postgres, settings.postgres_uri, ask=ask),
            "mongo_uri": _uri(MONGO_URI, mongo, settings.mongo_uri, ask=ask),
        }
    )
    proposal = propose(
        servers.require_postgres(),
        None if servers.mongo_uri is None else servers.require_mongo(),
        path.name,
    )
    typer.echo(proposal.text)
    for remark in proposal.remarks:
        typer.echo(f"look at: {remark}")
    if ask:
        typer.confirm(f"Write this to {path}?", default=True, abort=True)
    write(path, proposal)
    _say_how_it_reads(path, tried(proposal, servers))
    _say_what_comes_next(servers, settings)


def _uri(
    variable: str, option: str | None, known: SecretStr | None, *, ask: bool
) -> SecretStr | None:
    """The URI of a server; None for no MongoDB.

    Raises SettingsError for an argument with a password.
    """
    if option is not None:
        if _parsed(option, variable).secrets:
            name = "--postgres" if variable == POSTGRES_URI else "--mongo"
            raise SettingsError(f"{name} holds a password; {_NOT_HERE.format(variable)}")
        return SecretStr(option)
    if known is not None or not ask:
        return known
    optional = ", empty for none" if variable == MONGO_URI else ""
    text = typer.prompt(
        f"{variable} (not shown{optional})", "", hide_input=True, show_default=False
    )
    return SecretStr(text) if text else None


def _parsed(text: str, variable: str) -> ServerUri:
    parse = parse_postgres if variable == POSTGRES_URI else parse_mongo
    return parse(text, variable)


def _say_how_it_reads(path: Path, problems: Sequence[Problem]) -> None:
    for problem in problems:
        typer.echo(f"{problem.place}: {problem.error}")
    if problems:
        typer.echo(f"{path} is written; correct it, then `recsys check`")
        raise typer.Exit(problems[0].error.exit_code)
    typer.echo(f"{path} is written, and a hundred rows of each source read as they should")


def _say_what_comes_next(servers: Settings, before: Settings) -> None:
    """Variables that are not set yet, and the commands up to the first list."""
    typer.echo("next:")
    for variable, uri, known in (
        (POSTGRES_URI, servers.postgres_uri, before.postgres_uri),
        (MONGO_URI, servers.mongo_uri, before.mongo_uri),
    ):
        if uri is not None and known is None:
            text = uri.get_secret_value()
            secrets = _parsed(text, variable).secrets
            shown = shlex.quote(without_secrets(text, secrets))
            hint = "  # *** is the password" if secrets else ""
            typer.echo(f"  export {variable}={shown}{hint}")
    for command in ("migrate", "doctor", "nightly --as-of DATE", "top USER"):
        typer.echo(f"  recsys {command}")
