"""The asset's event for whatever moves the live run outside a night."""

from typing import Final

from airflow.sdk import DAG, CronTriggerTimetable
from recsys_publication import AnnounceLiveRun
from recsys_tasks import COMMON

DOC: Final = """
### What it does
`recsys rollback`, `recsys publish --force` and `recsys nightly` run outside Airflow, and may run
while it is down. Every five minutes this DAG compares the newest row of `recs.switch` with the last
event of the asset `recs.live_lists`, and updates the asset where they differ; else its one task is
skipped. Unpause it where other DAGs are scheduled on the asset.

### What it needs
`RECSYS_POSTGRES_URI` on the workers.
"""

with DAG(
    dag_id="watch_live_lists",
    description="Tell other DAGs of rollbacks and of runs published by hand",
    doc_md=DOC,
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    **{name: value for name, value in COMMON.items() if name != "params"},
):
    # A night may have all slots of its pool for hours.
    AnnounceLiveRun(task_id="announce_live_run", pool="default_pool")
