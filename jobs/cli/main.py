"""`recsys`: run the pipeline, look at what it published, keep the demo's servers and data."""

import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from jobs.cli import backfill, demo, diff, evaluate, forget, load, runs, sandbox, tune
from jobs.cli.titles import titles_of
from jobs.entrypoint import RunArguments, report, start_log
from jobs.io import lookup, migrations
from jobs.nightly import run_steps
from jobs.settings import load_config, load_settings
from recsys.errors import DataError, RecsysError
from recsys.ids import canonical_ids


class _Commands(TyperGroup):
    """Ends with the error's one message and its exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses what no database, file or terminal could take as text."""
        for word in args:
            if "\x00" in word or word != word.encode(errors="replace").decode():
                raise typer.BadParameter(f"{word!a} is not UTF-8 text without NUL", ctx=ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RecsysError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            raise typer.Exit(report(error)) from None


app = typer.Typer(
    cls=_Commands,
    help="Offline-first batch recommendations: precomputed top-N lists in Postgres.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(load.import_app, name="import")
app.command("seed")(load.seed)
app.command("demo-report")(demo.demo_report)
app.command("forget-user", context_settings={"ignore_unknown_options": True})(forget.forget_user)
app.command("backfill")(backfill.backfill_command)
app.command("runs")(runs.runs)
app.command("diff")(diff.diff)
app.command("evaluate")(evaluate.evaluate)
app.command("tune")(tune.tune_command)
app.command("rollback")(runs.rollback)
app.command("publish")(runs.publish)


@app.callback()
def options(
    *, debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False
) -> None:
    """Options of every command."""
    del debug  # read by _Commands


@app.command()
def migrate(
    *,
    recreate: Annotated[
        bool, typer.Option("--recreate", help="First drop what is published, with its history.")
    ] = False,
) -> None:
    """Bring the published side of the database to the present schema.

    Example: recsys migrate
    """
    uri, ids = load_settings().require_postgres(), load_config().ids
    applied = migrations.migrate(uri, ids, recreate=recreate)
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to apply")


@app.command()
def nightly(
    as_of: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="Exclusive UTC bound of what the run knows."),
    ],
    config: Annotated[Path | None, typer.Option(help="Configuration file.")] = None,
    *,
    promote: Annotated[
        bool | None,
        typer.Option(
            help="Go live whatever is live, or leave the live run alone.",
            show_default="go live unless the live run is of a later date",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Make everything anew, whatever nights.full_every says.")
    ] = False,
) -> None:
    """Run the nightly jobs in order, without Airflow.

    Example: recsys nightly --as-of 2026-01-01
    """
    start_log()
    arguments = RunArguments(
        as_of.date(), load_config(config), load_settings(), datetime.now(UTC), promote, full
    )
    console = Console(stderr=True)
    with console.status("starting") as status:
        for name, seconds in run_steps(arguments, lambda step: status.update(f"{step} …")):
            console.print(f"[green]✓[/] {name} [dim]{seconds:.1f} s[/]")


@app.command(context_settings={"ignore_unknown_options": True})
def top(
    user: Annotated[str, typer.Argument(help="The user's id, as the source has it.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=10_000, help="Length of the list.")
    ] = 20,
    segment: Annotated[
        str | None,
        typer.Option(help="Segment, as path=value, whose list answers for a user without one."),
    ] = None,
) -> None:
    """Show a user's list, as an app gets it.

    Example: recsys top 42 -n 10 --segment country=de
    """
    settings, ids = load_settings(), load_config().ids
    (known,) = canonical_ids(pa.array([user], pa.string()), ids.user).to_pylist()
    if known is None:
        raise DataError(f"{user!r} is not a {ids.user}, which [ids] says user ids are")
    items = lookup.top_n(settings.require_postgres(), str(known), n, segment)
    titles = titles_of([item.item_id for item in items])
    table = Table("rank", "item", "title", "score", "source")
    for item in items:
        title = titles.get(item.item_id, "")
        table.add_row(str(item.rank), item.item_id, title, f"{item.score:.3f}", item.source)
    Console().print(table if items else f"nothing to recommend to {user}")


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
