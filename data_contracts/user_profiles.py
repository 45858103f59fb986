"""Documents that describe users, as they were read."""

from typing import Final

from data_contracts.profiles import profile_contract
from recsys.schemas import RAW_USER_PROFILES

CONTRACT: Final = profile_contract(RAW_USER_PROFILES)
