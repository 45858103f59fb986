"""Hints that names give: what people call users, items, times and the like."""

import re
from typing import Final

USER: Final = (
    "user",
    "member",
    "customer",
    "account",
    "person",
    "client",
    "visitor",
    "reader",
    "viewer",
    "buyer",
    "shopper",
    "subscriber",
    "player",
    "listener",
    "kunde",
    "nutzer",
    "mitglied",
    "usuario",
    "utilisateur",
)
ITEM: Final = (
    "item",
    "product",
    "article",
    "artikel",
    "movie",
    "film",
    "book",
    "song",
    "track",
    "video",
    "listing",
    "offer",
    "content",
    "recipe",
    "game",
    "course",
    "produkt",
    "produit",
    "sku",
    "isbn",
)
OF_USERS: Final = ("email", "birth", "gender", "phone", "surname", "firstname", "last_name")
"""What only people have."""
OF_ITEMS: Final = ("title", "price", "stock", "availab", "genre", "descri", "author", "brand")
"""What only items have."""

BLOCKS: Final = ("block", "mute", "hide", "hidden", "ignore", "banned", "dismiss", "sperr")
TYPE: Final = ("type", "kind", "action", "verb", "event_name", "activity", "event")
ARRIVED: Final = ("receiv", "arriv", "ingest", "insert", "load", "stored", "import", "eingang")
OCCURRED: Final = ("occur", "happen", "event", "time", "ts", "when", "created", "date")
CHANGED: Final = ("updat", "modif", "chang", "delet", "expire", "last_", "birth", "until", "end")
"""Times that are neither when something happened nor when it was first known."""
CREATED: Final = ("creat", "since", "regist", "join", "added", "signup", "inserted", "publish")
VALUE: Final = ("value", "rating", "score", "star", "amount", "quantity", "qty", "wert")
FLAG: Final = ("active", "enabled", "avail", "in_stock", "visible", "published", "aktiv", "listed")
UNFLAG: Final = ("delet", "disab", "ban", "hidden", "block", "inactive", "archiv", "sold", "test")
"""Flags that say the opposite."""
TITLE: Final = ("title", "name", "label", "headline", "caption", "titel", "bezeich")


def hints(name: str, stems: tuple[str, ...]) -> bool:
    """True if a name has one of some stems; one of up to three letters is a word by itself."""
    lower = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    own = words(name)
    return any(stem in lower if len(stem) > 3 else stem in own for stem in stems)


def words(name: str) -> set[str]:
    """The words of a name, in singular: `shop.orderLines` has shop, order and line."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return {part.lower().removesuffix("s") or part.lower() for part in parts}


def alike(column: str, place: str, key: str) -> float:
    """How much a column's name says that it refers to a key: 1 for the same name."""
    own, others = words(column), words(key) | words(place.rpartition(".")[2])
    if column == key and words(key) != {"id"}:
        return 1.0
    return 0.5 if (own & others) - {"id"} else 0.0
