"""`recsys`: run the pipeline, look at what it published, keep the demo's servers and data."""

import sys
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from jobs.cli.deferred import Deferred, by_name
from jobs.lake.disk import full_disk
from jobs.run.interruptions import interruptible
from jobs.run.openmp import let_idle_threads_sleep
from jobs.run.reporting import report, show_traceback
from recsys.errors import RecsysError

_COMMANDS: Final = (
    Deferred(
        "nightly", "jobs.cli.nightly:nightly", "Run the nightly jobs in order, without Airflow."
    ),
    Deferred(
        "check",
        "jobs.cli.check:check",
        "List everything that is wrong with sources, rights, settings and the published side.",
    ),
    Deferred(
        "doctor",
        "jobs.cli.doctor:doctor",
        "Examine everything a night rests on, and say what to do about what is not well.",
    ),
    Deferred(
        "status",
        "jobs.cli.status:show_status",
        "Show what is live, what became of the last nights, what waits, and what comes next.",
    ),
    Deferred(
        "metrics",
        "jobs.cli.metrics:metrics",
        "Tell how things are in Prometheus' text format, for node_exporter.",
    ),
    Deferred("top", "jobs.cli.top:top", "Show a user's list, as an app gets it.", lenient=True),
    Deferred(
        "why",
        "jobs.cli.why:why",
        "Say why an item is on a user's list, or what dropped it.",
        lenient=True,
    ),
    Deferred("runs", "jobs.cli.runs:runs", "List the newest runs."),
    Deferred(
        "report",
        "jobs.cli.report:report",
        "Write the report of a run as one HTML file, and print where it is.",
    ),
    Deferred(
        "diff",
        "jobs.cli.diff:diff",
        "Show what a run changes against another: users, lists by band, items.",
    ),
    Deferred(
        "rollback", "jobs.cli.switch:rollback", "Let lookups answer from an older run at once."
    ),
    Deferred(
        "publish",
        "jobs.cli.switch:publish",
        "Let a run go live that the audit held back, or bring a sink up to date.",
    ),
    Deferred(
        "backfill",
        "jobs.cli.backfill:backfill_command",
        "Publish the runs of the past as history; the live run stays live.",
    ),
    Deferred(
        "reread",
        "jobs.cli.reread:reread",
        "Replace what the lake has of a source by what the source holds now.",
    ),
    Deferred(
        "evaluate",
        "jobs.cli.evaluate:evaluate",
        "Fit both stages on one part of some pairs and measure the lists on the other.",
    ),
    Deferred(
        "frontier",
        "jobs.cli.frontier:frontier",
        "Measure what each weight of [objectives] buys and costs, on the days held back.",
    ),
    Deferred(
        "export-pairs",
        "jobs.cli.export:export_pairs",
        "Write the matrix as of an instant as a file of pairs, for `recsys evaluate`.",
    ),
    Deferred(
        "tune",
        "jobs.cli.tune:tune_command",
        "Search for better parameters of each generator, by NDCG on the holdout.",
    ),
    Deferred(
        "forget-user",
        "jobs.cli.forget:forget_user",
        "Erase a person from the lake, the models, the quarantine and every kept run.",
        lenient=True,
    ),
    Deferred(
        "init",
        "jobs.cli.init:init",
        "Propose a recsys.toml from what the databases hold, write it, and try it.",
    ),
    Deferred(
        "migrate",
        "jobs.cli.migrate:migrate",
        "Bring the published side of the database to the present schema.",
    ),
    Deferred(
        "dags",
        "jobs.cli.dags:dags",
        "Print the folder of the DAGs, for Airflow's dags_folder or one of its bundles.",
    ),
    Deferred(
        "sandbox",
        "jobs.cli.sandbox:app",
        "Embedded Postgres and MongoDB for demos, tests and a first look.",
    ),
    Deferred(
        "import", "jobs.cli.load:import_app", "Load a public data set into the source databases."
    ),
    Deferred(
        "seed",
        "jobs.cli.load:seed",
        "Make up a marketplace with planted taste groups, newcomers, blocks and dirty rows.",
    ),
    Deferred(
        "demo-report",
        "jobs.cli.demo:demo_report",
        "Print what the live run read, trained and published, and some of its lists.",
    ),
)


class _Commands(TyperGroup):
    """Ends with the error's one message and its exit code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = by_name(_COMMANDS) | dict(self.commands)

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands, those of every day first."""
        del ctx
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses what no database, file or terminal could take as text."""
        for word in args:
            if "\x00" in word or word != word.encode(errors="replace").decode():
                raise typer.BadParameter(f"{word!a} is not UTF-8 text without NUL", ctx=ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        let_idle_threads_sleep()
        try:
            with interruptible(), full_disk():
                return super().invoke(ctx)
        except RecsysError as error:
            code = report(error, debug=bool(ctx.params.get("debug")))
            raise typer.Exit(code) from None


app = typer.Typer(
    cls=_Commands,
    help="Offline-first batch recommendations: precomputed top-N lists in Postgres.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _wants_version(wanted: bool) -> None:  # noqa: FBT001 - the framework's signature
    if wanted:
        typer.echo(f"recsys {version('recsys')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_wants_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Options of every command."""
    del debug, version  # read by _Commands and _wants_version


def main() -> None:
    """Run the console script."""
    try:
        app()
    except Exception as error:
        show_traceback(type(error), error, error.__traceback__)
        sys.exit(1)


if __name__ == "__main__":
    main()
