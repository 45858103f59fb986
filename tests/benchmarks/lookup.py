"""How many lookups a second Postgres answers, against a bare read of the row by its key.

    python -m tests.benchmarks.lookup                          # or make bench-lookup
    python -m tests.benchmarks.lookup --users 5000 --seconds 1 --clients 1 8

Starts a server of its own, publishes as many runs as are kept, adds tombstones, and runs pgbench
with one form after the other, round after round, so that other work on the machine meets all of
them. A figure is the median of its rounds, a ratio that of the ratios within rounds. Nothing is
asserted: times are the machine's, ratios less so.

The bare read finds the live run in the same statement, as an app without the lookup would have to:
read before, the run could be gone by then, and the row would cost two round trips. Measured beside
it are a prepared statement that has the run as a parameter, which Postgres plans anew each time,
since the run is what the table is partitioned by; and one in which the run is spelled out, which
only a benchmark can.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from threading import Event
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.sandbox import servers
from jobs.sinks.postgres.migrations import migrate
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.publishing import publish
from recsys.schemas import LISTS
from recsys.sections.ids import Ids
from recsys.sections.lists import Lists
from tests.logins import as_admin
from tests.postgres.publications import RECORD, passed, popular, tables

OUTPUT: Final = Path(__file__).parents[2] / "build" / "bench" / "lookup.json"
ITEMS: Final = 20_000
LENGTH: Final = 100
KEEP: Final = Lists().keep_runs
UNKNOWN: Final = 0.05
"""Share of lookups for users without a list."""
BLOCKS, REMOVED, FORGOTTEN = 5_000, 300, 200
ROW: Final = "SELECT item_ids, scores FROM recs.user_list WHERE run_id = {run} AND user_id = :user"
#: Each form's role and statement; `run` and `user` are pgbench's variables, {run} is written out.
FORMS: Final = {
    "top_n": ("recsys_app", "SELECT * FROM recs.top_n(:user, 20)"),
    "row": ("recsys_analyst", ROW.format(run="(SELECT run_id FROM recs.live)")),
    "row, run as parameter": ("recsys_analyst", ROW.format(run=":run")),
    "row, run spelled out": ("recsys_analyst", ROW.format(run="{run}")),
}
TOMBSTONES: Final = f"""
SELECT setseed(0.5);
INSERT INTO recs.blocked (user_id, item_id)
SELECT DISTINCT 1 + (random() * (%(users)s - 1))::int, 1 + (random() * {ITEMS - 1})::int
FROM generate_series(1, {BLOCKS});
INSERT INTO recs.removed_item (item_id)
SELECT DISTINCT 1 + (random() * {ITEMS - 1})::int FROM generate_series(1, {REMOVED});
SELECT recs.forget_user(1 + (random() * (%(users)s - 1))::int) FROM generate_series(1, {FORGOTTEN})
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True)
class Setting:
    """What all forms are measured in."""

    clients: int
    protocol: str = "prepared"
    publishing: bool = False


@dataclass(frozen=True)
class Figures:
    """One form's rate and the milliseconds that half and 99 % of the lookups stay below."""

    rate: float
    p50_ms: float
    p99_ms: float


Round = dict[str, Figures]
Measured = dict[Setting, list[Round]]


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=3, help="of one run of pgbench")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def main(*, users: int, seconds: int, clients: Sequence[int], rounds: int) -> None:
    idle = [Setting(count) for count in clients]
    idle += [Setting(clients[len(clients) // 2], other) for other in ("extended", "simple")]
    with tempfile.TemporaryDirectory(prefix="recsys-benchmark-") as folder:
        root = Path(folder)
        uri = SecretStr(servers.up(root).postgres_uri)
        try:
            bench = Bench(uri, root, users, seconds, rounds)
            bench.fill()
            measured = {setting: bench.measure(setting) for setting in idle}
            with bench.publishing():
                for count in clients:
                    setting = Setting(count, publishing=True)
                    measured[setting] = bench.measure(setting)
            report(measured)
        finally:
            servers.down(root)


@dataclass(frozen=True)
class Bench:
    """One database, and how long to measure in it."""

    uri: SecretStr
    root: Path
    users: int
    seconds: int
    rounds: int

    def fill(self) -> None:
        migrate(self.uri, Ids())
        for seed in range(KEEP):
            self.publish(seed)
        with connect(self.uri) as connection, connection.cursor() as cursor:
            cursor.execute(TOMBSTONES, {"users": self.users})
            connection.commit()
            connection.autocommit = True
            cursor.execute("VACUUM (ANALYZE)")

    def publish(self, seed: int) -> None:
        segments = {str(k): list(range(k * 7 + 1, k * 7 + 1 + LENGTH)) for k in range(20)}
        fallback = popular(Ids(), *range(1, LENGTH + 1), **segments)
        lists = made_up_lists(self.users, seed)
        publish(PostgresSink(self.uri, Ids()), RECORD, tables(Ids(), lists, fallback), passed, KEEP)

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Publishes one run after the other until the context ends."""
        ended = Event()

        def publish_on() -> None:
            seed = KEEP
            while not ended.is_set():
                self.publish(seed := seed + 1)

        with ThreadPoolExecutor(1) as pool:
            publisher = pool.submit(publish_on)
            try:
                yield
            finally:
                ended.set()
            publisher.result()

    def measure(self, setting: Setting) -> list[Round]:
        return [{form: self._run(form, setting) for form in FORMS} for _ in range(self.rounds)]

    def _run(self, form: str, setting: Setting) -> Figures:
        role, text = FORMS[form]
        with connect(self.uri) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT run_id FROM recs.live")
            (run,) = cursor.fetchone() or (0,)
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            script = Path(folder) / "script.sql"
            last = round(self.users / (1 - UNKNOWN))
            variables = f"\\set user random(1, {last})\n\\set run {run}\n"
            script.write_text(f"{variables}{text.format(run=run)};\n", encoding="utf-8")
            command = [str(servers.pgbench_path()), "-n", "-M", setting.protocol, "-f", str(script)]
            command += ["-c", str(setting.clients), "-T", str(self.seconds)]
            done = subprocess.run(
                [
                    *command,
                    "-l",
                    "--log-prefix",
                    f"{folder}/log",
                    as_admin(self.uri).get_secret_value(),
                ],
                env=os.environ | {"PGOPTIONS": f"-c role={role}"},
                check=True,
                capture_output=True,
                text=True,
            )
            rate = float(done.stdout.rpartition("tps = ")[2].split()[0])
            return Figures(rate, *percentiles_ms(Path(folder)))


def made_up_lists(users: int, seed: int) -> ds.Dataset:
    """Lists of distinct items, each item as likely as any other, from 1."""
    rng = np.random.default_rng(seed)
    apart = ITEMS // LENGTH
    items = rng.integers(0, apart, (users, LENGTH)) + np.arange(LENGTH) * apart + 1
    columns = {
        "item_ids": rng.permuted(items, axis=1),
        "scores": -np.sort(-rng.random((users, LENGTH), np.float32), axis=1),
        "sources": rng.integers(0, len(RECORD.models), (users, LENGTH), np.int16),
        "propensities": np.ones((users, LENGTH), np.float32),
    }
    offsets = pa.array(np.arange(users + 1) * LENGTH, pa.int32())
    arrays = {
        name: pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
        for name, values in columns.items()
    }
    because = pa.array([[1, 2, 3]] * users, pa.list_(pa.int64()))
    reasons = pa.array([bytes(12 * LENGTH)] * users)
    table = pa.table(
        {
            "user_id": np.arange(1, users + 1),
            **arrays,
            "because_ids": because,
            "reasons": reasons,
        }
    )
    return ds.dataset(table.cast(LISTS.arrow(Ids())))


def percentiles_ms(folder: Path) -> tuple[float, float]:
    """The middle and the 99th percentile of the transactions that pgbench has logged."""
    lines = [line for log in folder.glob("log*") for line in log.read_text().splitlines()]
    micros = np.array([int(line.split()[2]) for line in lines])
    p50, p99 = np.percentile(micros, [50, 99]) / 1000
    return float(p50), float(p99)


def report(measured: Measured) -> None:
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        asdict(setting) | {"round": number, "form": form} | asdict(figures)
        for setting, rounds in measured.items()
        for number, forms in enumerate(rounds)
        for form, figures in forms.items()
    ]
    OUTPUT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    show("| " + " | ".join(HEADS) + " |")
    show("|---" * len(HEADS) + "|")
    for setting, rounds in measured.items():
        show("| " + " | ".join(cells(setting, rounds)) + " |")


#: In brackets: those of the bare read. The last columns are ratios to the other forms of it.
HEADS: Final = (
    "server",
    "clients",
    "protocol",
    "lookups/s",
    "p50 ms",
    "p99 ms",
    "**ratio**",
    "run as parameter",
    "run spelled out",
)


def cells(setting: Setting, rounds: Sequence[Round]) -> Iterator[str]:
    def middle(form: str, name: str) -> float:
        return float(median(getattr(forms[form], name) for forms in rounds))

    def ratio(form: str) -> str:
        return f"{median(forms['top_n'].rate / forms[form].rate for forms in rounds):.2f}"

    yield "publishing" if setting.publishing else "idle"
    yield str(setting.clients)
    yield setting.protocol
    yield f"{middle('top_n', 'rate'):,.0f} ({middle('row', 'rate'):,.0f})"
    for name in ("p50_ms", "p99_ms"):
        yield f"{middle('top_n', name):.2f} ({middle('row', name):.2f})"
    yield f"**{ratio('row')}**"
    yield from map(ratio, list(FORMS)[2:])


def show(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(**vars(arg_parser().parse_args()))
