"""Wishes of people taken at their word, to compare the pipeline with, and made-up profiles."""

import math
from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st

Profile = Mapping[str, list[str]]
RULES: Final[Mapping[str, Mapping[str, str]]] = {
    "orientation": {"theirs": "gender", "wanted": "seeks"},
    "age": {"theirs": "age", "at_least": "wants.min", "at_most": "wants.max"},
    "grown": {"theirs": "age", "at_least": "wants.min"},
    "young": {"theirs": "age", "at_most": "wants.max"},
    "language": {"shared": "speaks"},
    "near": {"latitude": "lat", "longitude": "lon", "within_km": "wants.km"},
}


def some(*values: str, most: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=most, unique=True)


PROFILES: Final = st.fixed_dictionaries(
    {
        "gender": some("f", "m", "x"),
        "seeks": some("f", "m", "x", "nobody", most=3),
        "age": some("18", "30", "42", "?"),
        "wants.min": some("18", "30.0", "none"),
        "wants.max": some("30", "50"),
        "speaks": some("de", "fr", "it", most=3),
        "lat": some("47.4", "48.1", "-89", "91"),
        "lon": some("8.5", "11.6", "-179.9", "179.9"),
        "wants.km": some("1", "250", "30000", "-1", "far"),
    }
)


def number(profile: Profile, path: str) -> float:
    try:
        return float(profile.get(path, [""])[0])
    except (ValueError, IndexError):
        return math.nan


def place(profile: Profile, rule: Mapping[str, str]) -> tuple[float, float]:
    lat, lon = number(profile, rule["latitude"]), number(profile, rule["longitude"])
    return (lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else (math.nan, math.nan)


def km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """By the haversine formula; infinite from or to nobody knows where."""
    if math.isnan(sum((*one, *other))):
        return math.inf
    (a, b), (x, y) = (tuple(map(math.radians, each)) for each in (one, other))
    half = math.sin((x - a) / 2) ** 2 + math.cos(a) * math.cos(x) * math.sin((y - b) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, half)))


def accepts(rule: Mapping[str, str], one: Profile, other: Profile) -> bool:
    """Whether the one's wish is met by the other, or none is stated."""
    if "within_km" in rule:
        if not one.get(rule["within_km"]):
            return True
        far, most = km(place(one, rule), place(other, rule)), number(one, rule["within_km"])
        return far <= most
    if "wanted" in rule or "shared" in rule:
        wanted = set(one.get(rule.get("wanted", rule.get("shared", "")), []))
        return not wanted or bool(
            wanted & set(other.get(rule.get("theirs", rule.get("shared", "")), []))
        )
    bounds = [(rule.get("at_least", ""), 1.0), (rule.get("at_most", ""), -1.0)]
    stated = [(path, sign) for path, sign in bounds if one.get(path)]
    age = number(other, rule["theirs"])
    return all(sign * age >= sign * number(one, path) for path, sign in stated)


def permitted(rules: Mapping[str, Mapping[str, str]], one: Profile, other: Profile) -> bool:
    """Whether both accept each other by all of some rules."""
    both = ((one, other), (other, one))
    return all(accepts(rule, *each) for rule in rules.values() for each in both)
