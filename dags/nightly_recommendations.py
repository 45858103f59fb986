"""The nightly run as a DAG: a task a step, how long it may take, how often it is retried."""

import sys
from functools import partial
from typing import Any, Final

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable, Param, TaskGroup, chain
from recsys_alerts import DEADLINES
from recsys_lineage import ProcessStep, SparkStep
from recsys_publication import AnnounceLiveRun, PublishLists, approve_held_run, promote_held_run
from recsys_tasks import AS_OF, COMMON, process_task
from typing_extensions import override

from jobs.steps import FOLDER, STEPS, Step
from jobs.steps.schedule import SCHEDULE, as_of

# Without it, each job sends executors the code that it runs itself.
PACKAGE: Final = "{{ var.value.get('recsys_package', '') }}"
# A backfill publishes history, and the live run stays live. Its dates run in any order, so none may
# build on another.
BACKFILL: Final = {"full": " --full", "promote": " --no-promote"}
#: Parts of a night, as groups of tasks; an id of a task does not name its group.
PARTS: Final = {
    "read": "Read the sources and check them",
    "build": "Build the matrix and check it",
    "train": "Fit the generators and choose how to order candidates",
    "rank": "Rank a list for every user and check them",
    "publish": "Publish the lists, ask about a held run, tell other DAGs",
}
OPERATORS: Final = {"publish_lists": PublishLists}
ASK: Final = Param(
    True, type="boolean", description="Ask whether a held run goes live; else it fails"
)

DOC: Final = """
### What it does
Reads the sources in Postgres and MongoDB, fits candidate generators, ranks a list for every user
and publishes the lists to Postgres in one transaction. Other DAGs can be scheduled on
`Asset("recs.live_lists")`, which is updated whenever lookups answer from another run; its event's
`extra` has the run, its as-of and why it is live. `watch_live_lists` does the same for commands.

### A run that is held back
`publish_lists` succeeds, and `approve_held_run` asks for twelve hours whether to promote the run
anyway, with the gates and `recsys diff` in the question. Approved, `promote_held_run` lets it go
live and records who said so and why. Rejected or not answered in time, the task fails and so does
the run: yesterday's lists stay live. Clear `approve_held_run` to be asked again. With the parameter
`ask` off `publish_lists` fails instead. Other nights and backfills skip these tasks.

### As-of
Every job gets the same `--as-of D`: only what was known before `D` counts, a date meaning its
00:00 UTC. `D` is the `as_of` parameter, else it follows from the run's logical date, or without one
from when the run was due: the day, or with several runs a day the part of the day, that it lies in
begins at `D`. The run of 02:00 on the 2nd thus uses everything up to the end of the 1st, and with
`SCHEDULE` (jobs/steps/schedule.py) set to `0 2-23/6 * * *` the run of 08:00 everything up to 06:00.

### Run a date again
Trigger the DAG with `as_of` set (`{"as_of": "2026-01-01"}`), or clear the failed task to go on from
there. Each job replaces exactly its own `as_of` partition, so a repeated run leaves the same rows.
With `nights.full_every` above 1 that holds while the nights that it builds on are as they were.
While the DAG is paused nothing starts by itself; once unpaused, only the latest missed night runs.

### Run a range of dates
`airflow backfill create --dag-id nightly_recommendations --from-date … --to-date …` publishes each
date as history and as a full night, in the pool `recsys_backfill`; the live run stays live.

### What a failure leaves behind
Until `publish_lists` commits, the previously live lists stay live. What finished tasks wrote stays
in the lake, and the next run of that date replaces it. Outages (exit codes 30-39), reads whose
table changed meanwhile (23) and crashes are retried after growing pauses. Bad configuration
(10-19), other bad data (20-29) and a machine that lacks
something (40-49) fail at once, because another try would end the same way. The last `error:` line
of the task's log says what to do.

### What it needs
The pools `recsys` and `recsys_backfill`, the connection `spark_default`, on the workers
`spark-submit` on the PATH and the `RECSYS_*` environment variables, and for the pool of backfills
`dags/airflow_local_settings.py` in `$AIRFLOW_HOME/config`. Where Airflow's variable
`recsys_package` names an archive of `make package`, drivers and executors take the code from it.
"""


def spark_task(step: Step) -> SparkStep:
    """Submit jobs/steps/<name>.py to the master of `spark_default`."""
    return SparkStep(
        task_id=step.name,
        conn_id="spark_default",
        application=str(FOLDER / f"{step.name}.py"),
        application_args=["--as-of", AS_OF],
        py_files=PACKAGE,
        name=f"{step.name} {AS_OF}",
        conf={
            # Without it spark-submit runs the job with whatever python3 comes first on the PATH.
            "spark.pyspark.driver.python": sys.executable,
            "spark.log.level": "WARN",
        },
        verbose=False,
        execution_timeout=step.longest,
    )


def plain_task(step: Step) -> BashOperator:
    """Run `python -m jobs.steps.<name>`."""
    options = "".join(BACKFILL[flag] for flag in step.flags)
    condition = f"{{{{ '{options}' if dag_run.run_type == 'backfill' else '' }}}}"
    return process_task(
        step.name,
        f"jobs.steps.{step.name}",
        step.longest,
        options=condition if options else "",
        operator=OPERATORS.get(step.name, ProcessStep),
        result=step.name in OPERATORS,
    )


class Nightly(DAG):
    """A DAG with deadlines that `airflow dags test` can run."""

    @override
    def test(self, *arguments: Any, **more: Any) -> Any:
        # No scheduler watches them then, and Airflow 3.3 cannot end such a run (its issue 73428).
        self.deadline = None
        return super().test(*arguments, **more)


with Nightly(
    dag_id="nightly_recommendations",
    description="Postgres and MongoDB in, one ranked list a user out",
    doc_md=DOC,
    schedule=CronTriggerTimetable(SCHEDULE, timezone="UTC"),
    user_defined_filters={"as_of": partial(as_of, schedule=SCHEDULE)},
    deadline=DEADLINES,
    **{**COMMON, "params": {**COMMON["params"], "ask": ASK}},
):
    groups = {
        part: TaskGroup(part, prefix_group_id=False, tooltip=what) for part, what in PARTS.items()
    }
    tasks: list[BaseOperator] = []
    for step in STEPS:
        with groups[step.part]:
            tasks.append(spark_task(step) if step.on_spark else plain_task(step))
    with groups["publish"]:
        tasks += [
            approve_held_run(),
            promote_held_run(),
            # Most nights skip the two before it.
            AnnounceLiveRun(task_id="announce_live_run", trigger_rule="none_failed"),
        ]
    chain(*tasks)
