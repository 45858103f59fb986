"""Alerts: when a night calls for people, and how it reaches them.

Every alert is one line of JSON on standard output. The connection `recsys_webhook` sends it on to
its host, a whole URL, with its password as bearer token; `recsys_smtp` mails it to the addresses of
`to` in its extra. Secrets are in connections alone.
"""

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal

import httpx
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk import BaseNotifier, Connection
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.exceptions import AirflowNotFoundException
from typing_extensions import override

from jobs.airflow_plugin import NightDue, UsualEnd

#: Time from the instant that a night is due to the one that its lists are: 06:00 for 02:00.
LISTS_DUE_AFTER: Final = timedelta(hours=4)
#: A night is slow that takes so many times the median of so many nights before it.
SLOW_TIMES: Final = 2.0
SLOW_NIGHTS: Final = 10

WEBHOOK: Final = "recsys_webhook"
SMTP: Final = "recsys_smtp"
_PATIENCE_SECONDS: Final = 10

Event = Literal["failed", "held", "lists_late", "night_slow"]


class Alert(BaseNotifier):
    """Tell people of an event of a run.

    message: what happened; where it is empty, the exception says so.
    """

    def __init__(
        self, event: Event, message: str = "", context: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(context=context)  # type: ignore[arg-type]  # Airflow passes a plain dict
        self.event, self.message = event, message

    @override
    def notify(self, context: Any) -> None:
        line = json.dumps(self._record(context))
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        for way in (_post, _mail):
            # What cannot be told must not end what it is about.
            try:
                way(line, f"recsys: {self.event.replace('_', ' ')}")
            except (httpx.HTTPError, httpx.InvalidURL, OSError, LookupError) as error:
                # Its text may hold the address, which may be a secret.
                self.log.error("the alert was not delivered: %s", type(error).__name__)

    def _record(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of the line; a deadline's context has the run as a plain dict and no task."""
        run, task = context.get("dag_run"), context.get("ti")
        if isinstance(run, Mapping):
            dag_id, run_id = run.get("dag_id"), run.get("dag_run_id")
        else:
            dag_id, run_id = getattr(run, "dag_id", None), getattr(run, "run_id", None)
        due = context.get("deadline", {}).get("deadline_time")
        return {
            "event": self.event,
            "dag": dag_id,
            "run": run_id,
            "task": getattr(task, "task_id", None),
            "due": None if due is None else str(due),
            "message": self.message or str(context.get("exception") or ""),
        }


def _connection(name: str) -> Connection | None:
    try:
        found: Connection = Connection.get(name)
        return found
    except AirflowNotFoundException:
        return None


def _post(line: str, subject: str) -> None:
    del subject  # of mail
    webhook = _connection(WEBHOOK)
    if webhook is None:
        return
    headers = {"Content-Type": "application/json"}
    if webhook.password:
        headers["Authorization"] = f"Bearer {webhook.password}"
    answer = httpx.post(
        webhook.host or "", content=line, headers=headers, timeout=_PATIENCE_SECONDS
    )
    answer.raise_for_status()


def _mail(line: str, subject: str) -> None:
    connection = _connection(SMTP)
    if connection is None:
        return
    with SmtpHook(smtp_conn_id=SMTP) as hook:
        hook.send_email_smtp(to=connection.extra_dejson["to"], subject=subject, html_content=line)


DEADLINES: Final = [
    DeadlineAlert(
        name="live lists not renewed in time",
        reference=NightDue(),
        interval=LISTS_DUE_AFTER,
        callback=SyncCallback(
            Alert, {"event": "lists_late", "message": "the live lists are not renewed in time"}
        ),
    ),
    DeadlineAlert(
        name="much slower than the nights before",
        reference=UsualEnd(SLOW_NIGHTS, SLOW_TIMES),
        interval=timedelta(0),
        callback=SyncCallback(
            Alert, {"event": "night_slow", "message": "much slower than the nights before"}
        ),
    ),
]
