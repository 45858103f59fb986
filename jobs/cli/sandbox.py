"""`recsys sandbox`: the embedded Postgres and MongoDB for demos, tests and a first look."""

import shlex
from dataclasses import astuple
from typing import Final

import typer

from jobs.run.settings import MONGO_URI, POSTGRES_URI, load_settings
from jobs.sandbox import servers

_HELP: Final = (
    "Embedded Postgres and MongoDB for demos, tests and a first look.\n\n"
    "Their data and logs are in one folder: .sandbox, or $RECSYS_SANDBOX. They listen on unix"
    " sockets that their owner alone can reach, and run on until `recsys sandbox down`."
)

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False)


@app.command()
def up() -> None:
    """Start the servers that do not run yet, and say how to reach them.

    Example: recsys sandbox up && eval "$(recsys sandbox env)"
    """
    root = load_settings().sandbox
    where = servers.up(root)
    _print_status()
    typer.echo(f"psql:     {shlex.join([str(servers.psql_path()), where.postgres_uri])}")
    typer.echo('shell:    eval "$(recsys sandbox env)"')


@app.command()
def down() -> None:
    """Stop both servers; their data stays.

    Example: recsys sandbox down
    """
    servers.down(load_settings().sandbox)
    _print_status()


@app.command()
def status() -> None:
    """Say what runs and where.

    Example: RECSYS_SANDBOX=/data/sandbox recsys sandbox status
    """
    _print_status()


@app.command()
def env() -> None:
    """Print the two variables that point every other command at the running sandbox.

    Example: eval "$(recsys sandbox env)"
    """
    where = servers.endpoints(load_settings().sandbox)
    for name, uri in zip((POSTGRES_URI, MONGO_URI), astuple(where), strict=True):
        typer.echo(f"export {name}={shlex.quote(uri)}")


def _print_status() -> None:
    for server in servers.status(load_settings().sandbox):
        state = f"running, pid {server.pid}" if server.running else "not running"
        typer.echo(f"{server.name + ':':9} {state}, {server.detail}")
