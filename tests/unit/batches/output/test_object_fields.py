"""The fields of an object are decoded in one go; where that fails, the others still come through."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.output.object_fields import ObjectFields

ODD = 'with "quotes"\n'


def read(
    content: bytes, types: dict[str, Any], *, is_closed: bool = False
) -> tuple[tuple[Any, ...], Counter[str | None]]:
    misfits: Counter[str | None] = Counter()
    fields = ObjectFields(types, {name: f"answer {name}" for name in types}, misfits, is_closed=is_closed)
    return fields.values(content), misfits


@pytest.mark.parametrize("names", [("a", "b", "c"), ("", ODD, "größe.x")])
def test_fields_come_in_the_order_of_the_types_whatever_their_names(names: tuple[str, str, str]) -> None:
    one, two, three = names
    content = msgspec.json.encode({two: [1], one: 5})
    found, misfits = read(content, {one: int, two: msgspec.Raw, three: str})
    assert found == (5, msgspec.Raw(b"[1]"), None)
    assert not misfits


@pytest.mark.parametrize("name", ["b", ODD])
def test_a_misfit_is_null_and_leaves_the_others(name: str) -> None:
    found, misfits = read(msgspec.json.encode({"a": 1, name: "x"}), {"a": int, name: int}, is_closed=True)
    assert found == (1, None)
    assert misfits == {f"answer {name}": 1}


def test_a_field_that_nobody_knows_is_counted_for_the_whole() -> None:
    assert read(b'{"a": 1, "z": 2}', {"a": int}, is_closed=True) == ((1,), {None: 1})
    assert read(b'{"a": 1, "z": 2}', {"a": int}) == ((1,), {})


def test_what_is_no_object_has_no_fields() -> None:
    assert read(b"[1]", {"a": int, "b": msgspec.Raw}, is_closed=True) == ((None, msgspec.Raw(b"null")), {None: 1})


def test_a_column_that_was_sealed_without_a_type_is_text() -> None:
    found, misfits = read(b'{"a": 1.50, "b": "x", "c": null, "d": ["x"]}', dict.fromkeys("abcde", str))
    assert found == ("1.50", "x", None, '["x"]', None)
    assert not misfits
