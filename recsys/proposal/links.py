"""Which links between columns and keys to believe: small numbers are found among any numbers."""

from collections.abc import Iterator, Mapping

from recsys.proposal import names
from recsys.proposal.relations import Key, Links, Relation


def believed(
    found: Links, declared: Mapping[tuple[str, str], Key], relations: Mapping[str, Relation]
) -> Links:
    """The links that are meant.

    found: by values. declared: columns that are declared to refer to a key, which settles them.
    """
    declaring = {place for place, _ in declared}

    def kept(place: str, column: str, keys: Mapping[Key, float]) -> Iterator[tuple[Key, float]]:
        if (place, column) in declared:
            yield declared[place, column], 1.0
            return
        relation = relations[place]
        numbers = relation.families[column] == "integer"
        # A table's own numbers, and those of one that declares what it refers to.
        chance = numbers and (
            place in declaring or (relation.kind == "table" and column in relation.keys)
        )
        for key, share in keys.items():
            if not chance or names.alike(column, key.place, key.column):
                yield key, share

    columns = {*found, *declared}
    return {
        (place, column): dict(kept(place, column, found.get((place, column), {})))
        for place, column in sorted(columns)
    }
