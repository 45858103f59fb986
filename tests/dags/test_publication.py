"""What becomes of a published run, in runs of the DAG that Airflow carries out in this process.

The steps before `publish_lists` are marked as done: the lake holds what a finished night leaves.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobs.sinks.postgres import lookup, switching
from jobs.steps import NAMES
from recsys.as_of import AsOf
from tests.dags.webhook import Webhook
from tests.finished_nights import FinishedNight
from tests.guide import python_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.finished_nights import Publisher

#: Airflow, carried out in this process, warns of its own parts.
pytestmark = pytest.mark.filterwarnings("ignore")

NIGHTLY = "nightly_recommendations"
FIRST = FinishedNight({user: [1, 2, 3] for user in range(40)}, AsOf.parse("2026-01-01"))
#: Lists without a shared item, which a gate holds back.
ODD = FinishedNight({user: [7, 8, 9] for user in range(40)}, AsOf.parse("2026-01-02"))
MADE = "|".join(NAMES[:-1])


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook.running() as running:
        connection = {"conn_type": "http", "host": running.url, "password": "a-token"}
        monkeypatch.setenv("AIRFLOW_CONN_RECSYS_WEBHOOK", json.dumps(connection))
        yield running


@pytest.fixture
def night(
    database: None,  # noqa: ARG001
    dag_bag: Any,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, str]]:
    """Carries out a run of a DAG, the nightly one by default; gives each task's state."""
    settings = publisher.settings
    places = {
        "RECSYS_POSTGRES_URI": settings.require_postgres().get_secret_value(),
        "RECSYS_LAKE": str(settings.lake),
        "RECSYS_CONFIG": str(settings.config),
    }
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    minutes = iter(range(60))

    def carried_out(dag_id: str = NIGHTLY, **conf: object) -> dict[str, str]:
        run = dag_bag.dags[dag_id].test(
            logical_date=datetime.now(UTC).replace(minute=next(minutes)),
            run_conf=conf,
            mark_success_pattern=MADE,
        )
        found = {task.task_id: str(task.state) for task in run.get_task_instances()}
        return {"run": str(run.state), **{k: v for k, v in found.items() if k not in NAMES[:-1]}}

    return carried_out


def answer(option: str, reason: str) -> threading.Thread:
    """Answers the question as soon as it is asked, as the API does for the UI."""

    def wait_and_answer() -> None:
        from airflow.api_fastapi.auth.managers.simple.user import (  # noqa: PLC0415
            SimpleAuthManagerUser,
        )
        from airflow.api_fastapi.core_api.datamodels.hitl import (  # noqa: PLC0415
            UpdateHITLDetailPayload,
        )
        from airflow.api_fastapi.core_api.routes.public.hitl import (  # noqa: PLC0415
            update_hitl_detail,
        )
        from airflow.models.hitl import HITLDetail  # noqa: PLC0415
        from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415
        from airflow.utils.session import create_session  # noqa: PLC0415
        from sqlalchemy import select  # noqa: PLC0415

        waiting = select(TaskInstance).join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        waiting = waiting.where(TaskInstance.state == "awaiting_input")
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with create_session() as session:
                asked = session.scalar(waiting)
                if asked is not None:
                    given = UpdateHITLDetailPayload(
                        chosen_options=[option], params_input={"reason": reason}
                    )
                    user = SimpleAuthManagerUser(username="ann", role="admin")
                    update_hitl_detail(
                        asked.dag_id, asked.run_id, asked.task_id, given, user, session
                    )
                    return
            time.sleep(0.2)

    thread = threading.Thread(target=wait_and_answer)
    thread.start()
    return thread


def events() -> list[Mapping[str, Any]]:
    """What the events of the asset said, the oldest first."""
    from airflow.models.asset import AssetEvent  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    with create_session() as session:
        return list(session.scalars(select(AssetEvent.extra).order_by(AssetEvent.id)))


def live(publisher: Publisher) -> tuple[int, str]:
    switch = lookup.live_switch(publisher.settings.require_postgres())
    assert switch is not None
    return switch.run_id, switch.reason


def test_a_plain_night_asks_nobody_and_tells_other_dags(
    night: Callable[..., dict[str, str]], publisher: Publisher, webhook: Webhook
) -> None:
    before = len(events())
    publisher.fill(FIRST)
    states = night(as_of="2026-01-01")
    assert states == {
        "run": "success",
        "publish_lists": "success",
        "approve_held_run": "skipped",
        "promote_held_run": "skipped",
        "announce_live_run": "success",
    }
    (event,) = events()[before:]
    assert {**event, "at": "", "by": ""} == {
        "run": 1, "as_of": "2026-01-01", "live": True, "reason": "published", "at": "", "by": ""
    }  # fmt: skip
    publisher.fill(replace(FIRST, as_of=AsOf.parse("2025-12-30")))
    states = night(as_of="2025-12-30")
    assert (states["run"], states["announce_live_run"]) == ("success", "skipped")
    assert len(events()) == before + 1
    assert webhook.received == []


@pytest.mark.parametrize("option", ["Approve", "Reject"])
def test_a_held_run_waits_for_an_answer(
    night: Callable[..., dict[str, str]], publisher: Publisher, webhook: Webhook, option: str
) -> None:
    publisher.publish(FIRST)
    publisher.fill(ODD)
    before = len(events())
    answering = answer(option, "a new catalogue\"; $(id) 'x'")
    states = night(as_of="2026-01-02")
    answering.join()
    said = "by ann in Airflow: a new catalogue\"; $(id) 'x'"
    told = [(alert["event"], alert["task"]) for alert in webhook.received]
    assert re.fullmatch(
        r"run 2 is held back: .* below gates\.min_overlap .*", webhook.received[0]["message"]
    )
    assert webhook.tokens == {"Bearer a-token"}
    if option == "Approve":
        assert states == dict.fromkeys(states, "success")
        assert live(publisher) == (2, f"forced: approved {said}")
        assert told == [("held", "approve_held_run")]
        assert [(event["run"], event["reason"]) for event in events()[before:]] == [
            (2, f"forced: approved {said}")
        ]
    else:
        assert states == {
            "run": "failed",
            "publish_lists": "success",
            "approve_held_run": "failed",
            "promote_held_run": "upstream_failed",
            "announce_live_run": "upstream_failed",
        }
        assert live(publisher) == (1, "published")
        assert told == [("held", "approve_held_run"), ("failed", "approve_held_run")]
        assert webhook.received[1]["message"] == f"run 2 stays held back: rejected {said}"
        assert len(events()) == before


def test_what_is_done_by_hand_reaches_the_dag_of_the_guide(
    night: Callable[..., dict[str, str]], publisher: Publisher, tmp_path: Path
) -> None:
    consumer = of_the_guide(tmp_path)
    publisher.publish(FIRST)
    publisher.publish(replace(FIRST, as_of=AsOf.parse("2026-01-02")))
    before = len(events())
    watched = [night("watch_live_lists")["announce_live_run"] for _ in range(2)]
    assert watched == ["success", "skipped"]
    switching.rollback(publisher.settings.require_postgres(), None)
    assert night("watch_live_lists")["announce_live_run"] == "success"
    found = [(event["run"], event["as_of"], event["reason"]) for event in events()[before:]]
    assert found == [(2, "2026-01-02", "published"), (1, "2026-01-01", "rollback")]
    assert consumer in queued()


def of_the_guide(folder: Path) -> str:
    """Hands the example to Airflow as its DAG processor does, unpaused; gives its id."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db  # noqa: PLC0415
    from airflow.models.dag import DagModel  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415

    (folder / "example.py").write_text(python_of("airflow.md"), encoding="utf-8")
    bag = DagBag(dag_folder=folder, bundle_path=folder)
    assert bag.import_errors == {}
    (dag_id,) = bag.dags
    manager: Any = DagBundlesManager
    manager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)
    with create_session() as session:
        model = session.get(DagModel, dag_id)
        assert model is not None
        model.is_paused = False
    return dag_id


def queued() -> set[str]:
    """DAGs that the scheduler starts next because of an asset."""
    from airflow.models.asset import AssetDagRunQueue  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    with create_session() as session:
        return set(session.scalars(select(AssetDagRunQueue.target_dag_id)))
