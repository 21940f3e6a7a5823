"""One schema with the demands of two."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.schema_merging import NoValueError, listed_values, merged


@pytest.mark.parametrize(
    ("schema", "other", "both"),
    [
        ({"type": ["string", "null"]}, {"type": "string"}, {"type": "string"}),
        ({"type": "number"}, {"type": ["integer", "null"]}, {"type": "integer"}),
        ({"type": ["integer", "null"]}, {"type": ["null", "number"]}, {"type": ["integer", "null"]}),
        ({"enum": [1, 2, True]}, {"enum": [True, 2.0]}, {"enum": [2, True]}),
        ({"const": "x"}, {"enum": ["x", "y"]}, {"enum": ["x"]}),
        ({"const": "x"}, {"const": "y"}, {"enum": []}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"minItems": 0, "maxItems": 5}, {"minItems": 1, "maxItems": 3}, {"minItems": 1, "maxItems": 3}),
        ({"description": "mine"}, {"description": "theirs", "title": "T"}, {"description": "mine", "title": "T"}),
        (
            {"anyOf": [{"type": "null"}]},
            {"anyOf": [{"const": 1}, {"const": None}]},
            {"anyOf": [{"allOf": [{"type": "null"}, {"const": 1}]}, {"allOf": [{"type": "null"}, {"const": None}]}]},
        ),
        ({"items": {"type": "string"}}, {"items": False}, {"items": {"allOf": [{"type": "string"}, False]}}),
    ],
)
def test_the_demands_of_both_hold(schema: Any, other: Any, both: Any) -> None:
    assert merged(schema, other) == both


def test_a_closed_object_keeps_the_properties_of_the_other_out() -> None:
    closed = {"properties": {"a": {"const": 1}}, "additionalProperties": False}
    opened = {"properties": {"a": {"type": "integer"}, "b": {}}, "additionalProperties": True}
    for both in (merged(closed, opened), merged(opened, closed)):
        assert both["properties"].keys() == {"a"}
        assert both["additionalProperties"] is False


def test_types_without_a_common_one_have_no_value() -> None:
    with pytest.raises(NoValueError, match=r"\['string'\] and \['null'\]"):
        merged({"type": "string"}, {"type": "null"})


def test_const_and_enum_list_the_values() -> None:
    assert listed_values({"const": 1, "enum": [2, 1]}) == [1]
    assert listed_values({"const": None}) == [None]
    assert listed_values({"type": "string"}) is None
