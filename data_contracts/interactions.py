"""Explicit interactions as they were read: events by another name."""

from typing import Final

from data_contracts.contract import Contract
from data_contracts.events import figures, rules
from recsys.schemas import RAW_INTERACTIONS

CONTRACT: Final = Contract(RAW_INTERACTIONS, rules, figures)
