"""How far exposure can be spread: `python -m tests.benchmarks.exposure [DATA SET …]`.

    python -m tests.benchmarks.exposure ml-latest-small --loss 0.05 --top-share 0.5

Lists of 20 from pools of 100 on the sets of `tests.benchmarks.quality`, before and after the list
step `exposure`: NDCG@20 with the paired difference and its 95 % interval, coverage and the share of
the most shown 1 % of the items, all in the lists of the test part's users. Without a target as much
is spread as `--loss` of NDCG on the holdout allows. With `--seller-floor` each seller is to get so
much of an even share, and there is no other target. An item's first tag stands for its seller: the
first author on goodbooks, the first genre on ml-latest-small.
"""

import argparse
import sys
from dataclasses import replace
from typing import Final

from jobs.app.evaluation import BLEND, PUBLISHED, Steps, try_stack
from jobs.run.settings import load_config
from recsys.config import Config, parse_config
from recsys.dataset.training import Descriptions
from recsys.evaluation.report import ALL
from recsys.evaluation.significance import paired
from recsys.sections.base import READ_PLACES
from tests.benchmarks.defaults import left_out
from tests.benchmarks.public_sets import REPOSITORY, SETS

POOL: Final = 100
SELLER: Final = "seller"


def arg_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", help="all of them by default")
    parser.add_argument("--top-share", type=float, default=0.0)
    parser.add_argument("--coverage", type=float, default=None)
    parser.add_argument("--loss", type=float, nargs="+", default=[0.01])
    parser.add_argument("--cap", type=float, default=None)
    parser.add_argument("--seller-floor", type=float, default=None)
    parser.add_argument("--small-seller", type=int, default=None)
    return parser


def row(name: str, config: Config, *, sellers: bool) -> str:
    """A line of the table for one data set."""
    data, split, label = SETS[name](config)
    if sellers:
        data = replace(data, items=with_sellers(data.items))
    trial = try_stack(data, split, label, config, READ_PLACES, Steps(lambda _: None))
    before, after = (trial.quality.reports[model] for model in (BLEND, PUBLISHED))
    old, new = before.segments[ALL], after.segments[ALL]
    found = paired(trial.ndcg[PUBLISHED], trial.ndcg[BLEND], config.seed)
    base = float(trial.ndcg[BLEND].mean())
    low, high = found.difference.low / base, found.difference.high / base
    shares = ((old.coverage, new.coverage), (old.top_share, new.top_share))
    cells = [f"{100 * (a or 0):.1f} % -> {100 * (b or 0):.1f} %" for a, b in shares]
    (_, told), *_ = trial.list_steps.items()
    estimate = found.difference.estimate / base
    change = f"{100 * estimate:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"| {name}, {old.users:,} | {base:.4f} | {change} % | {' | '.join(cells)} | {told} |"


def with_sellers(items: Descriptions) -> Descriptions:
    """Descriptions whose first tag is an attribute too."""
    sellers = [[f"{SELLER}={tag}" for tag in tags[:1]] for tags in items.tags]
    attributes = [[*own, *more] for own, more in zip(items.attributes, sellers, strict=True)]
    return replace(items, attributes=attributes)


def main() -> None:
    arguments = arg_parser().parse_args()
    head = ("data set, users", "NDCG@20", "change (95 %)", "coverage", "top 1 %", "the step says")
    write(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in arguments.sets or list(SETS):
        for loss in arguments.loss:
            config = with_step(name, arguments, loss)
            write(row(name, config, sellers=arguments.seller_floor is not None))


def with_step(name: str, arguments: argparse.Namespace, loss: float) -> Config:
    """The configuration whose parameters other data sets chose, with the step."""
    plain = left_out(load_config(REPOSITORY / "recsys.toml"), name).model_dump()
    plain["lists"] |= {"length": READ_PLACES, "pool": POOL, "steps": ("exposure",)}
    target = None if arguments.cap or arguments.seller_floor else arguments.top_share
    plain["list_steps"]["exposure"] |= {
        "top_share": target,
        "coverage": arguments.coverage,
        "ndcg_loss": loss,
        "cap": arguments.cap,
        "seller": SELLER if arguments.seller_floor else "",
        "seller_floor": arguments.seller_floor,
        "small_seller": arguments.small_seller,
    }
    return parse_config(plain, "the benchmark")


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
