"""Alerts by mail, deadlines, and the question about a held run."""

from __future__ import annotations

import importlib
import json
import socketserver
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.usefixtures("airflow"), pytest.mark.filterwarnings("ignore")]

DAG = "nightly_recommendations"
#: A title that is Markdown, a link and the end of a cell.
TITLE = "[click](http://x) | `a`\n# <b>"


class Mail(socketserver.StreamRequestHandler):
    """So much of SMTP that a message arrives."""

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip().upper():
            if line == "DATA":
                self._say("354 go on")
                message = iter(lambda: self.rfile.readline().decode().strip(), ".")
                self.server.mails.append("\n".join(message))  # type: ignore[attr-defined]
            self._say("221 bye" if line == "QUIT" else "250 done")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    with socketserver.TCPServer(("127.0.0.1", 0), Mail) as server:
        mails: list[str] = []
        server.mails = mails  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], mails
        finally:
            server.shutdown()
            thread.join()


def test_an_alert_is_a_line_and_a_mail_and_no_failure_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alert = importlib.import_module("recsys_alerts").Alert("lists_late", "late")
    run = {"dag_id": DAG, "dag_run_id": "scheduled__x"}
    context = {"dag_run": run, "deadline": {"deadline_time": "2026-01-01T06:00:00Z"}}
    webhook = {"conn_type": "http", "host": "http://127.0.0.1:9/secret"}
    monkeypatch.setenv("AIRFLOW_CONN_RECSYS_WEBHOOK", json.dumps(webhook))
    with mail_server() as (port, mails):
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "a@example.org"}
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port}
        smtp["extra"] = {**extra, "to": ["ops@example.org"]}
        monkeypatch.setenv("AIRFLOW_CONN_RECSYS_SMTP", json.dumps(smtp))
        alert(context)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    assert json.loads(line) == {
        "event": "lists_late",
        "dag": DAG,
        "run": "scheduled__x",
        "task": None,
        "due": "2026-01-01T06:00:00Z",
        "message": "late",
    }
    (mail,) = mails
    assert "Subject: recsys: lists late" in mail
    assert "To: ops@example.org" in mail


def test_only_nights_of_the_scheduler_have_deadlines(database: None) -> None:  # noqa: ARG001
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415

    from jobs.airflow_plugin import NightDue, UsualEnd  # noqa: PLC0415

    first = datetime(2026, 1, 1, 2, tzinfo=UTC)
    minutes = [10, 500, 20, 30]

    def run(day: int, kind: str, state: str) -> DagRun:
        at = first + timedelta(days=day)
        made = DagRun(
            dag_id="deadlines", run_id=f"{kind}-{day}", run_type=kind, run_after=at, start_date=at
        )  # fmt: skip
        made.state = state
        return made

    with create_session() as session:
        for day, took in enumerate(minutes):
            night = run(day, "scheduled", "success")
            night.end_date = night.run_after + timedelta(minutes=took)
            session.add(night)
        session.add_all([run(7, "scheduled", "running"), run(8, "backfill", "running")])
        session.flush()

        def deadline(reference: Any, run_id: str) -> datetime | None:
            again = type(reference).deserialize_reference(reference.serialize_reference())
            found: datetime | None = again._evaluate_with(
                session=session, dag_id="deadlines", run_id=run_id
            )
            return found

        due = deadline(NightDue(), "scheduled-7")
        slow = deadline(UsualEnd(10, 2.0), "scheduled-7")
        newest = deadline(UsualEnd(3, 2.0), "scheduled-7")
        few = deadline(UsualEnd(2, 2.0), "scheduled-7")
        backfill = [deadline(each, "backfill-8") for each in (NightDue(), UsualEnd())]
        session.rollback()
    now = datetime.now(UTC)
    assert due == first + timedelta(days=7)
    # Twice the medians of 10, 20, 30 and 500, and of the last three.
    for found, minute in ((slow, 50), (newest, 60)):
        assert found is not None
        assert abs(found - now - timedelta(minutes=minute)) < timedelta(minutes=1)
    assert few is None
    assert backfill == [None, None]


def test_a_title_is_text_in_the_question() -> None:
    question = importlib.import_module("recsys_question").question
    band = dict.fromkeys(["users_before", "users_after", "users_lost", "users_new"], 40)
    diff = {
        "before": {"run": 1, "as_of": "2026-01-01"},
        "figures": {"overlap": 0.0, "ndcg": None},
        "bands": {"warm": {**band, "overlap": 0.0, "rbo": 0.25, "churn": 1.0}},
        "items": [{"item": 7, "title": TITLE, "before": 0.0, "after": 0.5}],
    }
    text = question({"run": 2, "as_of": "2026-01-02", "violations": ["low"]}, diff)
    lines = text.splitlines()
    assert "| ndcg | - |" in lines
    assert "| warm | 40 | 40 | 40 | 40 | 0.000 | 0.250 | 1.000 |" in lines
    title = r"\[click\]\(http\:\/\/x\) \| \`a\` \# \<b\>"
    assert lines[-1] == rf"| 7 | {title} | 0\.000% | 50\.000% |"
