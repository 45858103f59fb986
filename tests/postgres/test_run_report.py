"""The report of a run: its figures on nights whose answers are known, and how it is shown."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright
from typer.testing import CliRunner

from jobs.app.forgetting import erase
from jobs.cli.main import app
from jobs.lake.facts import CheckFacts, RuleFacts
from jobs.run import settings
from jobs.run.entrypoint import lake_of
from jobs.sinks.postgres.sink import PostgresSink
from jobs.stores.report_files import report_file, reported_runs
from jobs.stores.stages import stage_partition
from recsys.as_of import AsOf
from recsys.errors import HeldError
from tests.finished_nights import FinishedNight, Publisher

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MARKUP: Final = "<script>alert(1)</script>"
ODD: Final = "\"Oak\" & <b>'elm'</b>"
FIRST: Final = FinishedNight(
    lists={user: [10, 11, 12] for user in range(40)},
    ndcg=0.25,
    error=0.01,
    members=40,
    items={10: (MARKUP, []), 11: (ODD, []), 12: (None, []), 13: ("Pine bed", [])},
    touched={user: 1 + user % 2 for user in range(40)},
    refused={"events: user_id is null": 2},
    seconds={"rank_lists": 60.0},
)
#: Every second user gets another first place.
SECOND: Final = replace(
    FIRST,
    lists={user: [13 if user % 2 else 10, 11, 12] for user in range(40)},
    as_of=AsOf.parse("2026-01-02"),
    ndcg=0.3,
    refused={"events: user_id is null": 1234, "items: item_id is null": 5},
    seconds={"rank_lists": 90.0},
)
HELD: Final = replace(
    SECOND, lists={user: [20] for user in range(40)}, as_of=AsOf.parse("2026-01-03")
)
BROKEN: Final = RuleFacts(
    table="raw/events",
    rule="volume",
    severity="warn",
    observed="0.05",
    allowed="at least 0.2",
    passed=False,
)


@dataclass
class Parsed(HTMLParser):
    """Elements of a page: tags with attributes, texts, and the rows of tables."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    in_cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> "Parsed":
        parsed = cls()
        parsed.feed(text)
        return parsed

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += data
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture
def nights(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """A run, one that changes every second user's list, and one that is held back."""
    uri = publisher.settings.require_postgres().get_secret_value()
    monkeypatch.setenv(settings.POSTGRES_URI, uri)
    monkeypatch.setenv(settings.LAKE, str(publisher.settings.lake))
    monkeypatch.setenv("COLUMNS", "80")
    lake = lake_of(publisher.settings)
    kept = BROKEN.model_copy(update={"rule": "age", "passed": True})
    with stage_partition(lake, "sources", SECOND.as_of).replace() as draft:
        CheckFacts(rules=(kept, BROKEN)).note(draft)
    publisher.publish(FIRST)
    publisher.publish(SECOND)
    with pytest.raises(HeldError):
        publisher.publish(HELD)
    return publisher


def page(publisher: Publisher, run: int) -> str:
    return report_file(publisher.settings.lake, run).read_text(encoding="utf-8")


def test_a_night_leaves_a_report_with_its_figures(nights: Publisher) -> None:
    text = page(nights, 2)
    found = Parsed.of(text)
    assert "Run 2 as of 2026-01-02: live" in found.texts
    for row in (
        # Of 3 places each second user has another first one.
        ["overlap", "passed", "at least 20.0%", "83.3%"],
        ["churn", "no gate", "", "16.7%"],
        ["coverage", "no gate", "", "8.0%"],
        ["run 1, 2026-01-01", "0.2500", "0.2387", "0.2613"],
        ["run 2, 2026-01-02", "0.3000", "0.2887", "0.3113"],
        ["events", "0", "0", "1,234"],
        ["events: user_id is null", "1,234"],
        ["raw/events", "volume", "warned", "0.05", "at least 0.2"],
        ["raw/events", "1 of 2"],
        ["rank_lists", "90.0 s", "60.0 s"],
        # 20 lists with 10 and 20 with 13 first, and 40 with 12 at half of that: 60 of 85.2, and
        # the two least of 50 items are 40 of them.
        ["96%", "46.9%"],
        ["Pine bed", "0.00%", "23.46%"],
        [MARKUP, "46.93%", "23.46%"],
        # 10 was touched by all, 11 by half of the users.
        ["4", "100.0%", "23.5%"],
        ["0% to 10%", "50.0%"],
        ["30% to 40%", "50.0%"],
    ):
        assert row in found.rows, row
    people = [attrs["data-user"] for tag, attrs in found.tags if tag == "article"]
    assert len(set(people)) == 10
    assert set(people) <= {str(user) for user in range(40)}
    # What people wrote is text.
    assert found.texts.count(ODD) == 10
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "iframe", "img", "object", "form"})
    assert "<b>'elm'" not in text
    policy = [attrs["content"] for tag, attrs in found.tags if "http-equiv" in attrs]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    held = Parsed.of(page(nights, 3))
    assert "Run 3 as of 2026-01-03: held back" in held.texts
    assert any("0 is below gates.min_overlap = 0.2" in text for text in held.texts)
    assert ["overlap", "not passed", "at least 20.0%", "0.0%"] in held.rows
    for command in ("recsys diff 2 3", 'recsys publish 3 --force "reason"'):
        assert command in held.texts


def test_runs_and_the_command_name_reports(nights: Publisher) -> None:
    file = report_file(nights.settings.lake, 1)
    file.unlink()
    said = CliRunner().invoke(app, ["runs"]).stdout
    assert "runs with a report, whose file recsys report names: 3, 2\n" in said
    written = CliRunner().invoke(app, ["report", "1"])
    assert (written.exit_code, written.stdout) == (0, f"{file}\n")
    assert "run-2.html" in CliRunner().invoke(app, ["runs", "--json"]).stdout
    left = page(nights, 3)
    newest = CliRunner().invoke(app, ["report"])
    assert newest.stdout.strip().endswith("run-3.html")
    assert page(nights, 3) == left
    missing = CliRunner().invoke(app, ["report", "12"])
    assert "there is no complete run 12" in missing.output


def test_a_report_of_lists_that_are_gone_has_the_figures(nights: Publisher) -> None:
    for day in ("2026-01-04", "2026-01-05"):
        nights.publish(
            replace(SECOND, as_of=AsOf.parse(day)),
            lists=nights.config.lists.model_copy(update={"keep_runs": 1}),
        )
    assert CliRunner().invoke(app, ["report", "1"]).exit_code == 0
    found = Parsed.of(page(nights, 1))
    assert "The lists of this run are not kept any more." in found.texts
    assert ["coverage", "no gate", "", "6.0%"] in found.rows


def test_a_forgotten_user_is_in_no_report(nights: Publisher) -> None:
    lake = lake_of(nights.settings)
    shown = next(a["data-user"] for t, a in Parsed.of(page(nights, 2)).tags if t == "article")
    assert shown is not None
    record = PostgresSink(nights.settings.require_postgres(), nights.config.ids)
    erased = erase(record, [], lake, nights.config, int(shown))
    assert erased.left == 0
    assert reported_runs(lake.root) == set()
    assert CliRunner().invoke(app, ["report", "2"]).exit_code == 0
    assert f'data-user="{shown}"' not in page(nights, 2)


# --- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: apt-get install chromium")
def test_a_browser_shows_it_without_a_request_or_an_error(
    nights: Publisher, browser: Browser, tmp_path: Path
) -> None:
    for run in (2, 3):
        file = tmp_path / f"run-{run}.html"
        file.write_text(page(nights, run), encoding="utf-8")
        for width in (390, 1440):
            for scheme in ("light", "dark"):
                _look(browser, file, width, scheme)


def _look(browser: Browser, file: Path, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    shown = context.new_page()
    requests, errors = list[str](), list[str]()
    shown.on("request", lambda request: requests.append(request.url))
    shown.on("console", lambda message: errors.append(message.text))
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.goto(file.as_uri())
    assert (requests, errors) == ([file.as_uri()], [])
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    # Nothing is drawn outside of its drawing, and a mark tells its figure when it is pointed at.
    outside = shown.evaluate(_OUTSIDE)
    assert outside == []
    mark = shown.locator("svg .mark").first
    told = mark.locator(".told")
    assert not told.is_visible()
    mark.locator(".hit").hover()
    assert told.is_visible()
    dark = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(16, 20, 24)") == (scheme == "dark")
    context.close()


_OUTSIDE: Final = """
[...document.querySelectorAll("svg text")].filter((text) => {
  const place = text.getBoundingClientRect();
  const frame = text.closest("figure").getBoundingClientRect();
  return place.left < frame.left || place.right > frame.right;
}).map((text) => text.textContent)
"""
