"""Gates that a run's lists must pass to go live."""

from typing import Annotated

from pydantic import Field

from recsys.sections.base import READ_PLACES, NonNegative, Positive, Section, Share


class Gates(Section):
    """Limits that a run's lists must keep to go live; one that is left out takes its default.

    A gate against the live run is passed where none is live. None: there is no such gate.
    """

    depth: Annotated[int, Field(gt=0, le=10_000)] = READ_PLACES
    """Places of a list that are compared."""
    persistence: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """RBO's p: the chance that a reader of one place goes on to the next."""
    min_users_kept: Share | None = 0.8
    """Of the users with a list in the live run, the share that has one in the new run."""
    min_overlap: Share | None = 0.2
    """Mean share of a user's items that the live run has too."""
    min_rbo: Share | None = None
    """Mean rank-biased overlap with the live run."""
    max_churn: Share | None = None
    """Mean share of a user's places that hold another item than in the live run."""
    min_coverage: Share | None = None
    """Share of the available items that are in at least one list."""
    max_gini: Share | None = None
    """Gini coefficient of the items' exposure."""
    max_fallback_share: Share | None = 0.99
    """Share of the active users that have no row and get the popular list."""
    max_score_drift: Positive | None = 3.0
    """Change of the mean best score, in the live run's standard deviations."""
    min_ndcg: Share | None = None
    """NDCG@20 of what orders the lists, on the holdout."""
    min_expected_matches: NonNegative | None = None
    """In a market of people, matches that the step `reciprocal` expects of the lists."""
    max_unmatched_share: Share | None = None
    """In a market of people, the share of those with a list who can expect no match."""
    max_gini_matches: Share | None = None
    """In a market of people, the Gini coefficient of their expected matches."""
    max_gini_people_exposure: Share | None = None
    """In a market of people, the Gini coefficient of the attention that they get."""
    max_top_1_percent_of_people: Share | None = None
    """In a market of people, part of all attention that the hundredth with the most gets."""
    max_unseen_share: Share | None = None
    """In a market of people, the share of those with a list who are on nobody's."""
    max_envied_others: NonNegative | None = None
    """In a market of people, others with whose attention one could expect more, a mean."""
    min_nash_welfare: NonNegative | None = None
    """In a market of people, the geometric mean of their expected matches."""
    max_demand_over_supply: NonNegative | None = None
    """In a market of people, attention that the people of a segment get over what they give, of the
    segment with most."""
    max_calibration_error: Share | None = None
    """In a market of people, the expected calibration error of the chances of a yes on pairs held
    back, that of likes or of answers, whichever is greater."""

    @classmethod
    def limits(cls) -> tuple[str, ...]:
        """Names of the gates, in order."""
        return tuple(name for name in cls.model_fields if name.startswith(("min_", "max_")))
