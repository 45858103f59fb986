"""Texts of the made-up marketplace: titles of items, names of users, profile documents."""

import numpy as np

from jobs.sandbox.people_planting import GENDERS, LANGUAGES, People
from jobs.sandbox.planting import Ints, Rng
from jobs.sandbox.vocabulary import (
    ADJECTIVES,
    CITIES,
    COMMON_WORDS,
    CONDITIONS,
    FIRST_NAMES,
    GROUPS,
    LAST_NAMES,
)
from jobs.sources.documents import Document

Id = int | str
_WORDS_A_TEXT = 12
_SHARE_TYPICAL = 0.6


def item_titles(item_group: Ints, rng: Rng) -> list[str]:
    """(items,) different titles that name a thing of the group: `Vintage Record Player`."""
    decks = [_title_deck(group, rng) for group in range(len(GROUPS))]
    used = [0] * len(GROUPS)
    titles = []
    for group in item_group.tolist():
        round_, place = divmod(used[group], len(decks[group]))
        titles.append(decks[group][place] + (f" No. {round_ + 1}" if round_ else ""))
        used[group] += 1
    return titles


def _title_deck(group: int, rng: Rng) -> list[str]:
    titles = [f"{adjective} {thing}" for adjective in ADJECTIVES for thing in GROUPS[group].things]
    return [titles[i] for i in rng.permutation(len(titles))]


def user_names(users: int, rng: Rng) -> list[str]:
    """(users,) names; several users may share one."""
    first = rng.choice(FIRST_NAMES, users)
    last = rng.choice(LAST_NAMES, users)
    return [f"{a} {b}" for a, b in zip(first, last, strict=True)]


def item_profiles(ids: list[Id], titles: list[str], item_group: Ints, rng: Rng) -> list[Document]:
    """One document an item: mostly words of its group, its group and thing as tags."""
    texts = _texts(item_group, rng)
    places = rng.integers(len(CITIES), size=len(ids)).tolist()
    conditions = rng.choice(CONDITIONS, len(ids)).tolist()
    prices = rng.lognormal(3.5, 0.8, len(ids)).round(2).tolist()
    return [
        {
            "item_id": ids[i],
            "title": titles[i],
            "text": texts[i],
            "tags": [GROUPS[group].name, _thing(titles[i], group)],
            "attributes": {
                "condition": conditions[i],
                "price": {"amount": prices[i], "currency": "EUR"},
                "seller": _place(places[i]),
            },
        }
        for i, group in enumerate(item_group.tolist())
    ]


def user_profiles(ids: list[Id], user_group: Ints, rng: Rng) -> list[Document]:
    """One document a user: the user's taste as a tag, and words of its group."""
    texts = _texts(user_group, rng)
    places = rng.integers(len(CITIES), size=len(ids)).tolist()
    newsletters = (rng.random(len(ids)) < 0.5).tolist()
    return [
        {
            "user_id": ids[i],
            "text": texts[i],
            "tags": [GROUPS[group].name],
            "attributes": {"home": _place(places[i]), "newsletter": {"weekly": newsletters[i]}},
        }
        for i, group in enumerate(user_group.tolist())
    ]


def person_profiles(ids: list[Id], people: People, rng: Rng) -> list[Document]:
    """One document a person: the group as a tag, words of it, and the hard wishes."""
    texts = _texts(people.group, rng)
    places = rng.integers(len(CITIES), size=len(ids)).tolist()
    ages = people.ages.tolist()
    return [
        {
            "user_id": ids[i],
            "text": texts[i],
            "tags": [GROUPS[group].name],
            "attributes": {
                "gender": GENDERS[people.gender[i]],
                "seeks": [GENDERS[place] for place in np.flatnonzero(people.seeks[i])],
                "age": int(people.age[i]),
                "wants": {"age": {"from": ages[i][0], "to": ages[i][1]}},
                "speaks": [LANGUAGES[place] for place in np.flatnonzero(people.speaks[i])],
                "home": _place(places[i]),
            },
        }
        for i, group in enumerate(people.group.tolist())
    ]


def _texts(groups: Ints, rng: Rng) -> list[str]:
    shape = (len(groups), _WORDS_A_TEXT)
    typical = np.array([group.words for group in GROUPS])
    own = typical[groups[:, None], rng.integers(typical.shape[1], size=shape)]
    common = rng.choice(COMMON_WORDS, shape)
    words = np.where(rng.random(shape) < _SHARE_TYPICAL, own, common)
    return [" ".join(row) for row in words.tolist()]


def _thing(title: str, group: int) -> str:
    return next(thing.lower() for thing in GROUPS[group].things if thing in title)


def _place(number: int) -> Document:
    city, country = CITIES[number]
    return {"city": city, "country": country}
