"""Kept reasons in words."""

from collections.abc import Mapping

from jobs.sinks.postgres.reasons import KeptReason


def in_words(reason: KeptReason, titles: Mapping[str, str]) -> str:
    """One line: what was drawn, else the own item that speaks most for the place, else who does.

    titles: by item id.
    """
    if reason.propensity is not None and reason.propensity < 1:
        return f"{reason.source}, chance {reason.propensity:.2g}"
    if reason.because is not None:
        share = f" ({reason.because_share:.0%})" if reason.because_share else ""
        return f"you liked {titles.get(reason.because, reason.because)}{share}"
    said = dict(zip(reason.generators or (), reason.opinions or (), strict=True))
    loudest = said.get(reason.source or "")
    return f"{reason.source} {loudest:+.1f}" if loudest is not None else f"{reason.source or '-'}"
