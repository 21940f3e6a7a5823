"""What is refused here, jsonschema refuses too."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.simulator.service.schema_answers import SchemaAnswer
from anthropic_batches_provider.simulator.service.schema_violations import refused_value, refuses
from tests.worlds.output_schemas import TEXT, closed
from tests.worlds.random_schemas import api_schemas

LABEL = closed(label={"enum": ["a", "b"]}, tags={"type": "array", "items": TEXT}, more=closed(size={"type": "integer"}))
VALID = {"label": "a", "tags": ["x"], "more": {"size": 1}}


def is_valid(schema: Any, value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@given(schema=api_schemas(), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_fault_is_refused_and_a_valid_answer_is_not(schema: dict[str, Any], seed: int) -> None:
    valid = SchemaAnswer(schema, words="one two", seed=seed).value()
    assert not refuses(schema, valid, schema)
    try:
        fault = refused_value(schema, valid, seed=seed)
    except ValueError:
        assert all(is_valid(schema, value) for value in ("not valid", 7.5, None, ["not valid"], {"not": "valid"}))
    else:
        assert not is_valid(schema, fault)
        assert refused_value(schema, valid, seed=seed) == fault


def test_faults_are_wrong_values_at_the_root_and_deeper_and_missing_properties() -> None:
    faults = [refused_value(LABEL, VALID, seed=seed) for seed in range(60)]
    assert not any(is_valid(LABEL, fault) for fault in faults)
    assert any(not isinstance(fault, dict) for fault in faults)
    objects = [fault for fault in faults if isinstance(fault, dict)]
    assert any("label" not in fault and "tags" in fault for fault in objects)
    assert any(fault.get("label", "a") not in ("a", "b") for fault in objects)
    assert any(isinstance(fault.get("more"), dict) and fault["more"] != VALID["more"] for fault in objects)
    assert VALID == {"label": "a", "tags": ["x"], "more": {"size": 1}}


def test_a_fault_of_one_alternative_is_no_fault_if_another_takes_it() -> None:
    schema = {"anyOf": [closed(a={"type": "integer"}), closed(a={"anyOf": [TEXT, {"type": "null"}]})]}
    for seed in range(30):
        assert not is_valid(schema, refused_value(schema, {"a": 1}, seed=seed))


@pytest.mark.parametrize("schema", [{}, {"description": "anything"}, {"anyOf": [TEXT, {}]}])
def test_a_schema_that_takes_any_json_has_no_fault(schema: Any) -> None:
    with pytest.raises(ValueError, match="takes any JSON"):
        refused_value(schema, "x", seed=1)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"minLength": 9}, "short"),
        ({"type": "float"}, "x"),
        ({"enum": [True]}, 1),
        ({"$ref": "#/$defs/A", "type": "integer", "$defs": {"A": TEXT}}, "x"),
        ({"properties": {}, "additionalProperties": False, "patternProperties": {"x": {}}}, {"x": 1}),
        ({"type": "integer"}, 1.0),
    ],
)
def test_in_doubt_nothing_is_refused(schema: Any, value: Any) -> None:
    assert not refuses(schema, value, schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "number"}, True),
        ({"type": "array", "minItems": 1}, []),
        ({"prefixItems": [TEXT], "items": False}, ["x", "y"]),
        ({"allOf": [TEXT, {"const": "x"}]}, "y"),
        ({"anyOf": [TEXT, {"type": "null"}]}, 1),
        (closed(a=TEXT), {"a": "x", "b": "y"}),
        ({"$ref": "#/$defs/A", "$defs": {"A": TEXT}}, 1),
    ],
)
def test_each_keyword_refuses_what_it_is_for(schema: Any, value: Any) -> None:
    assert refuses(schema, value, schema)
    assert not is_valid(schema, value)
