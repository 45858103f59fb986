"""Publication as tasks: what became of a run, an approval for one held back, the asset's event."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Asset, BaseOperator, BaseOperatorLink, Context, Param, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from recsys_alerts import Alert
from recsys_lineage import ProcessStep
from recsys_question import question
from recsys_retries import exit_code
from recsys_tasks import STARTED_IN
from typing_extensions import override

#: The lists that lookups answer from. With a URI of its own its name alone would not be it.
LIVE_LISTS: Final = Asset("recs.live_lists")
#: How long a held run waits for an answer; the next night waits with it.
ANSWER_WITHIN: Final = timedelta(hours=12)
_HELD: Final = 29
_MINUTES: Final = timedelta(minutes=10)


class RunReport(BaseOperatorLink):
    """A link to the report of the run below the address in the variable `recsys_reports`."""

    name = "Run report"

    @override
    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        folder = Variable.get("recsys_reports", default="")
        run = getattr(operator, "run_id", None)
        return f"{folder.rstrip('/')}/run-{run}.html" if folder and run else ""


class PublishLists(ProcessStep):
    """Run the step that publishes, and give what became of the run.

    A run that the audit held back is no failure here where `approve_held_run` asks about it.
    """

    operator_extra_links = (RunReport(),)
    run_id: int | None = None

    def __init__(self, *, bash_command: str, **arguments: Any) -> None:
        super().__init__(bash_command=f'{bash_command} --outcome "$OUTCOME"', **arguments)

    @override
    def execute(self, context: Context) -> Any:
        with TemporaryDirectory() as folder:
            file = Path(folder, "outcome.json")
            self.env = {**(self.env or {}), "OUTCOME": str(file)}
            try:
                super().execute(context)
            except AirflowException as error:
                asked = context["params"]["ask"]
                if not (asked and exit_code(error) == _HELD and file.exists()):
                    raise
            outcome = json.loads(file.read_text(encoding="utf-8"))
        self.run_id = outcome["run"]
        return outcome


class ApproveHeldRun(ApprovalOperator):
    """Ask whether a run that the audit held back goes live anyway; pass by where none is.

    A refusal and a question that nobody answered fail, because yesterday's lists stay live.
    """

    @override
    def execute(self, context: Context) -> Any:
        outcome = _outcome(context)
        if outcome["outcome"] != "held":
            raise AirflowSkipException(f"run {outcome['run']} is not held back")
        found = "; ".join(outcome["violations"])
        self.notifiers = [Alert("held", f"run {outcome['run']} is held back: {found}")]
        self.subject = f"Promote run {outcome['run']} anyway?"
        self.body = _question(outcome)
        return super().execute(context)

    @override
    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        run = _outcome(context)["run"]
        if event.get("error_type") == "timeout":
            raise AirflowFailException(f"run {run} stays held back: nobody answered in time")
        answer = HITLOperator.execute_complete(self, context, event)
        by = (answer["responded_by_user"] or {}).get("name", "somebody")
        why = (answer["params_input"].get("reason") or "").strip()
        said = f"by {by} in Airflow{f': {why}' if why else ''}"
        if answer["chosen_options"] != [self.APPROVE]:
            raise AirflowFailException(f"run {run} stays held back: rejected {said}")
        return {"run": run, "reason": f"approved {said}"}


class AnnounceLiveRun(BaseOperator):
    """Update the asset if lookups answer from another run, or again, since its last event.

    `recs.switch` decides, so a rollback counts and a backfill does not, wherever a command
    ran and whether Airflow did then. Two tasks at one time may announce the same switch twice.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(
            inlets=[LIVE_LISTS], outlets=[LIVE_LISTS], execution_timeout=_MINUTES, **arguments
        )

    @override
    def execute(self, context: Context) -> Any:
        live = json.loads(_printed("jobs.app.live_run"))
        last = list(context["inlet_events"][LIVE_LISTS].ascending(False).limit(1))
        if live is None or (last and (last[0].extra or {}).get("at") == live["at"]):
            raise AirflowSkipException("the live run is the one that was announced last")
        context["outlet_events"][LIVE_LISTS].extra = live
        return live


def approve_held_run() -> ApproveHeldRun:
    """Ask once, and not again where nobody has answered."""
    return ApproveHeldRun(
        task_id="approve_held_run",
        subject="Promote the run anyway?",
        params={"reason": Param("", type="string", title="Why", description="It is recorded.")},
        response_timeout=ANSWER_WITHIN,
        retries=0,
    )


def promote_held_run() -> BashOperator:
    """Let an approved run go live as `recsys publish --force` does, and record who said so."""
    answer = "ti.xcom_pull('approve_held_run')"
    return BashOperator(
        task_id="promote_held_run",
        # What a person wrote reaches the shell as a variable, never as text of the command.
        bash_command='exec "$PYTHON" -m jobs.cli.main publish "$RUN" --force "$REASON"',
        env={
            "PYTHON": sys.executable,
            "RUN": f"{{{{ {answer}['run'] }}}}",
            "REASON": f"{{{{ {answer}['reason'] }}}}",
        },
        append_env=True,
        cwd=STARTED_IN,
        skip_on_exit_code=None,
        do_xcom_push=False,
        execution_timeout=_MINUTES,
    )


def _outcome(context: Context) -> dict[str, Any]:
    outcome: dict[str, Any] = context["ti"].xcom_pull("publish_lists")
    return outcome


def _question(outcome: dict[str, Any]) -> str:
    live = outcome["figures"]["live_run"]
    if live is None:
        return question(outcome, None)
    diff = _printed("jobs.cli.main", "diff", str(live), str(outcome["run"]), "--json")
    return question(outcome, json.loads(diff))


def _printed(module: str, *words: str) -> str:
    """What a module of the house prints; its log goes to the task's."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=STARTED_IN,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
