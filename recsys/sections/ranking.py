"""Order of candidates."""

from typing import Literal

from recsys.sections.base import Count, Section


class Ranking(Section):
    """Order of the candidates."""

    method: Literal["best", "learned", "sum", "fusion"] = "best"
    """A learned ranker, the weighted sum, rank fusion, or what stands, unless another way, a single
    generator included, is clearly better on the holdout."""
    holdout_days: Count = 14
    """Days before the as-of that are the holdout: to choose the method, and to learn from."""
    least_users: Count = 60
    """With fewer users in those days nothing is learnt from them, and what ordered lists stays."""
    most_users: Count = 4000
    """With more of them, so many are drawn."""
    candidates: Count = 200
    """Items that each generator proposes to the second stage."""
