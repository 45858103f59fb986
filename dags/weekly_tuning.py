"""The weekly search for better parameters of the generators as a DAG of one task."""

from datetime import timedelta
from functools import partial
from typing import Final

from airflow.sdk import DAG, CronTriggerTimetable
from recsys_tasks import COMMON, process_task

from jobs.steps.schedule import as_of

#: Cron, in UTC: after the night of the same day, whose matrix it searches on.
SCHEDULE: Final = "0 5 * * 0"
#: More than `tuning.minutes` may be.
LONGEST: Final = timedelta(hours=11)

DOC: Final = """
### What it does
Searches for better parameters of the candidate generators for `tuning.minutes`, on the matrix that
the night of the same as-of has built. What it finds is taken where it is better on days that the
search did not see, by more than a standard error, and if all generators together are; else the
parameters stay. The task's log has the figures of every generator, and so has the folder `tuning`
of the lake, with the parameters in force as `recsys.tuned.toml`.

### Who uses it
Nights of later as-ofs; the next one is a full night if anything was taken. A night that is made
again uses what it used, and so does a backfill of a date that was made before.

### Run it again
Trigger it with `as_of` set to a date whose matrix is in the lake. Trials that were made on the same
matrix with the same parameters are not made again, so a retry goes on where it was broken off.

### What it needs
The pool `recsys` and the `RECSYS_*` environment variables; no Spark, and of the servers none, but
Postgres where the lake is not a folder.
"""

with DAG(
    dag_id="weekly_tuning",
    description="Better parameters of the generators, if there are any",
    doc_md=DOC,
    schedule=CronTriggerTimetable(SCHEDULE, timezone="UTC"),
    user_defined_filters={"as_of": partial(as_of, schedule=SCHEDULE)},
    **COMMON,
):
    process_task("tune_generators", "jobs.cli.main tune", LONGEST)
