"""A night that spreads exposure: the lists and prices that the targets make, and no others."""

from jobs.sandbox.seed import make_market
from jobs.stores.step_facts import read_facts
from recsys.as_of import AsOf
from recsys.config import parse_config
from recsys.evaluation.concentration import top_share
from recsys.sections.lists import Lists
from tests.e2e.conftest import OPEN_GATES, Pipeline

DAY = AsOf.parse("2026-01-01")


def test_a_night_with_a_target_shows_more_items(pipeline: Pipeline) -> None:
    pipeline.load(make_market(400, 120, 30, 8_000, 5, DAY))
    lists = Lists(length=20, pool=60, reasons="off")
    pipeline.run(DAY, lists=lists, gates=OPEN_GATES)
    before = pipeline.lists()
    lists = lists.model_copy(update={"steps": ("exposure", "explore")})
    pipeline.run(DAY, lists=lists, gates=OPEN_GATES)
    assert pipeline.lists() == before
    plain = pipeline.config.model_dump()
    plain["list_steps"]["exposure"] |= {"top_share": 0.0, "ndcg_loss": 0.05}
    targets = parse_config(plain, "test").list_steps
    arguments = pipeline.run(DAY, lists=lists, list_steps=targets, gates=OPEN_GATES)
    facts = read_facts(arguments.lake, "exposure", DAY)
    assert pipeline.lists() != before
    assert (facts["after"] > 0).sum() >= (facts["before"] > 0).sum()
    shares = [top_share(facts[name], 120, 0.01) or 0.0 for name in ("before", "after")]
    assert shares[1] < shares[0]
