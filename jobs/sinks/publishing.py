"""Publication of a run: staged in the sink of record, audited, and live if the audit allows it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from jobs.sinks.base import RunRecord, RunTables
from jobs.sinks.postgres.analysis import RunAnalysis
from jobs.sinks.postgres.sink import PostgresSink
from recsys.errors import HeldError
from recsys.evaluation.audit import AuditVerdict, Outcome


@dataclass(frozen=True)
class Published:
    """A run whose lists are complete in Postgres."""

    run_id: int
    users: int
    list_hash: str
    verdict: AuditVerdict

    @property
    def live(self) -> bool:
        return self.verdict.outcome is Outcome.LIVE

    @property
    def held(self) -> bool:
        return self.verdict.outcome is Outcome.HELD

    def require_not_held(self) -> None:
        """Raises HeldError where the audit keeps the run from going live."""
        if self.held:
            raise HeldError(
                f"run {self.run_id} is held back, the live run stays: "
                f"{'; '.join(map(str, self.verdict.violations))}; look at `recsys diff`, then fix "
                f'the cause or `recsys publish {self.run_id} --force "reason"`'
            )


#: Judges the run whose lists are being loaded; it gets the id of the live run, None where none is.
Auditor = Callable[[int | None], AuditVerdict]
#: Gathers what analysts read of a run that was judged.
Analyst = Callable[[AuditVerdict], RunAnalysis]


def publish(
    record: PostgresSink,
    run: RunRecord,
    tables: RunTables,
    auditor: Auditor,
    keep_runs: int,
    analyst: Analyst | None = None,
) -> Published:
    """Stages a run's lists, audits them, and does what the verdict says.

    auditor, analyst: called in another thread while the lists are loaded.
    A run that is held back is kept with its figures, and what was live stays live.
    """
    with record.publication() as publication:
        run_id = publication.allocate(run)
        # The audit reads the lake and the live lists, and the load waits for Postgres.
        with ThreadPoolExecutor(1) as thread:
            audited = thread.submit(_audited, auditor, analyst, publication.live())
            staged = publication.stage(run_id, run, tables)
            verdict, analysis = audited.result()
        published = Published(run_id, staged.users, staged.list_hash, verdict)
        live, held = published.live, published.held
        publication.complete(
            staged, live=live, held=held, verdict=verdict.as_dict(), analysis=analysis
        )
        publication.retire(keep_runs)
    return published


def _audited(
    auditor: Auditor, analyst: Analyst | None, live: int | None
) -> tuple[AuditVerdict, RunAnalysis | None]:
    verdict = auditor(live)
    return verdict, None if analyst is None else analyst(verdict)
