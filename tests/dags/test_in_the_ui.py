"""A running Airflow, and somebody who answers for held runs in a browser.

The steps before `publish_lists` do nothing here: the lake holds what a finished night leaves.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, Page, expect, sync_playwright

from jobs.sinks.postgres import lookup
from recsys.as_of import AsOf
from tests.airflow_services import Airflow
from tests.conftest import REPOSITORY
from tests.dags.webhook import Webhook
from tests.finished_nights import FinishedNight
from tests.guide import python_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.finished_nights import Publisher

NIGHTLY = "nightly_recommendations"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
TODAY = AsOf(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
SECONDS = 240


@pytest.mark.airflow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: apt-get install chromium")
def test_held_runs_are_answered_for_and_a_late_night_is_told(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.publish(_night([1, 2, 3], AsOf.parse("2026-01-01")))
    publisher.fill(_night([7, 8, 9], TODAY))
    tomorrow = AsOf(TODAY.instant + timedelta(days=1))
    publisher.fill(_night([17, 18, 19], tomorrow))
    with Webhook.running() as webhook:
        airflow = Airflow(
            tmp_path / "airflow", _environment(publisher, webhook), _dags(tmp_path / "dags")
        )
        airflow.set_up(nightly_slots=2)
        airflow.do("dags", "reserialize")
        # The run of 02:00 is the first that starts, and its lists are due a second later.
        for dag in (NIGHTLY, "mail_top_lists"):
            airflow.do("dags", "unpause", "--yes", dag)
        with airflow.running(), _browser(airflow) as page:
            airflow.wait_for(lambda: _waits(airflow), SECONDS)
            _answer(page, airflow, 2, "Approve", "the catalogue is new")
            airflow.wait_for(lambda: _states(airflow) == ["success"], SECONDS)
            airflow.wait_for(lambda: bool(_done(airflow, "mail_top_lists")), SECONDS)
            airflow.do("dags", "trigger", NIGHTLY, "--conf", json.dumps({"as_of": str(tomorrow)}))
            airflow.wait_for(lambda: _waits(airflow), SECONDS)
            _answer(page, airflow, 3, "Reject", "too much churn")
            airflow.wait_for(lambda: _states(airflow) == ["success", "failed"], SECONDS)
            airflow.wait_for(lambda: len(webhook.received) >= 4, SECONDS)
    live = lookup.live_switch(publisher.settings.require_postgres())
    assert live is not None
    reason = "forced: approved by admin in Airflow: the catalogue is new"
    assert (live.run_id, live.as_of, live.reason) == (2, TODAY, reason)
    told = sorted((alert["event"], alert["message"]) for alert in webhook.received)
    assert [event for event, _ in told] == ["failed", "held", "held", "lists_late"]
    assert told[0][1] == "run 3 stays held back: rejected by admin in Airflow: too much churn"
    (late,) = (alert for alert in webhook.received if alert["event"] == "lists_late")
    due = (TODAY.instant + timedelta(hours=2, seconds=1)).isoformat()
    assert late["dag"] == NIGHTLY
    assert datetime.fromisoformat(late["due"]) == datetime.fromisoformat(due)
    extras = [json.loads(extra) for (extra,) in airflow.ask("SELECT extra FROM asset_event")]
    assert [(extra["run"], extra["reason"]) for extra in extras] == [(2, reason)]


def _night(items: list[int], as_of: AsOf) -> FinishedNight:
    return FinishedNight(dict.fromkeys(range(40), items), as_of)


def _dags(folder: Path) -> Path:
    """The DAGs with empty steps before the one that publishes, and a deadline that is missed."""
    shutil.copytree(REPOSITORY / "dags", folder)
    (folder / "example.py").write_text(python_of("airflow.md"), encoding="utf-8")
    _change(
        folder / "nightly_recommendations.py",
        "spark_task(step) if step.on_spark else plain_task(step)",
        'plain_task(step) if step.name == "publish_lists" else EmptyOperator(task_id=step.name)',
    )
    _change(
        folder / "nightly_recommendations.py",
        "from airflow.providers.standard.operators.bash import BashOperator",
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        "from airflow.providers.standard.operators.empty import EmptyOperator",
    )
    _change(folder / "recsys_alerts.py", "timedelta(hours=4)", "timedelta(seconds=1)")
    return folder


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def _environment(publisher: Publisher, webhook: Webhook) -> dict[str, str]:
    settings = publisher.settings
    return {
        "RECSYS_POSTGRES_URI": settings.require_postgres().get_secret_value(),
        "RECSYS_LAKE": str(settings.lake),
        "RECSYS_CONFIG": str(settings.config),
        "AIRFLOW_CONN_RECSYS_WEBHOOK": json.dumps({"conn_type": "http", "host": webhook.url}),
    }


@contextmanager
def _browser(airflow: Airflow) -> Iterator[Page]:
    """A page of a Chromium, logged in as `make airflow` says."""
    passwords = airflow.home / "simple_auth_manager_passwords.json.generated"
    airflow.wait_for(lambda: passwords.exists() and bool(passwords.read_text()), SECONDS)
    ((user, password),) = json.loads(passwords.read_text()).items()
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = chromium.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(60_000)
        airflow.wait_for(lambda: _answers(page, airflow.url), SECONDS)
        page.get_by_label("Username").fill(user)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        yield page
        chromium.close()


def _answers(page: Page, url: str) -> bool:
    try:
        page.goto(url)
    except Error:
        return False
    return True


def _answer(page: Page, airflow: Airflow, run: int, option: str, reason: str) -> None:
    """What a person does with the question about a run."""
    page.goto(f"{airflow.url}/required_actions?response_received=false")
    page.get_by_text(f"Promote run {run} anyway?").click()
    expect(page.get_by_role("cell", name="users before")).to_be_visible()
    if shots := os.environ.get("RECSYS_TEST_SHOTS"):
        page.screenshot(path=f"{shots}/question-{run}.png")
    page.locator("[name=element_reason]").fill(reason)
    page.get_by_role("button", name=option).click()
    expect(page.get_by_text("Awaiting Input")).to_have_count(0)


def _waits(airflow: Airflow) -> bool:
    """Whether a question is open."""
    return bool(airflow.ask("SELECT 1 FROM task_instance WHERE state = 'awaiting_input'"))


def _states(airflow: Airflow) -> list[str]:
    return [
        state
        for (state,) in airflow.ask(
            f"SELECT state FROM dag_run WHERE dag_id = '{NIGHTLY}' ORDER BY id"  # noqa: S608
        )
    ]


def _done(airflow: Airflow, dag: str) -> list[tuple[str, ...]]:
    return airflow.ask(
        f"SELECT 1 FROM dag_run WHERE dag_id = '{dag}' AND state = 'success'"  # noqa: S608
    )
