import uuid

import numpy as np
import pyarrow as pa
import pytest

from recsys.ids import IdIndex, canonical_ids, ids_named, lasting_keys
from recsys.sections.ids import IdType

LOWEST, HIGHEST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    ("id_type", "given", "canonical"),
    [
        ("bigint", str(LOWEST), LOWEST),
        ("bigint", str(HIGHEST), HIGHEST),
        ("bigint", str(HIGHEST + 1), None),
        ("bigint", " -7 ", -7),
        ("bigint", "1.5", None),
        ("bigint", "", None),
        ("bigint", None, None),
        (
            "uuid",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            str(uuid.UUID("a0eebc999c0b4ef8bb6d6bb9bd380a11")),
        ),
        ("uuid", "a0eebc99", None),
        ("text", "Zoë 🎈", "Zoë 🎈"),
        ("text", " kept as it is ", " kept as it is "),
        ("text", "", None),
        ("text", "nul\x00", None),
        ("text", "ë" * 500, "ë" * 500),
        ("text", "ë" * 500 + "x", None),
    ],
)
def test_ids_are_canonical_or_refused(
    id_type: IdType, given: str | None, canonical: object
) -> None:
    assert canonical_ids(pa.array([given], pa.string()), id_type).to_pylist() == [canonical]


def test_rows_are_places_in_the_order_of_ids() -> None:
    index = IdIndex.build(pa.array([5, LOWEST, None, 5, HIGHEST]), "bigint")
    assert index.values.to_pylist() == [LOWEST, 5, HIGHEST]
    assert index.rows(pa.array([HIGHEST, 6, 5])).to_pylist() == [2, None, 1]
    assert index.ids(np.array([2, 0])).to_pylist() == [HIGHEST, LOWEST]


def test_a_lasting_key_depends_on_its_id_alone() -> None:
    numbers = pa.array([5, -1, 2**63 - 1], pa.int64())
    assert lasting_keys(numbers).tolist() == [5, 2**64 - 1, 2**63 - 1]
    assert lasting_keys(numbers.slice(1, 1)).tolist() == [2**64 - 1]
    texts = lasting_keys(pa.chunked_array([["a"], ["Zoë 🎈", "b"]]))
    assert len(set(texts.tolist())) == 3
    assert lasting_keys(pa.array(["b"])).tolist() == [texts[2]] == [0x754F854DE3C27284]
    assert len(lasting_keys(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize(
    ("value", "id_type", "named"),
    [
        ([42], "bigint", {42}),
        ("42.0", "bigint", {42, 0}),
        ({"id": [" 42 ", None, True]}, "bigint", {42}),
        (42.0, "text", {"42"}),
        (" Zoë ", "text", {" Zoë ", "Zoë"}),
        (
            "{00000000-0000-0000-0000-00000000002A}",
            "uuid",
            {"00000000-0000-0000-0000-00000000002a"},
        ),
        (None, "bigint", set()),
    ],
)
def test_ids_are_found_however_they_are_written(
    value: object, id_type: IdType, named: set[object]
) -> None:
    assert ids_named(value, id_type) == named
