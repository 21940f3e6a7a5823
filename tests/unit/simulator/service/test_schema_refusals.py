"""The simulated service refuses schemas in the words of the service."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.schema_refusals import refused_schema
from tests.worlds.output_schemas import NULLABLE, OPTIONAL, REFUSED, TAKEN, UNCERTAIN, Refused, closed


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_a_schema_is_refused_in_the_services_words(refused: Refused) -> None:
    assert refused_schema(refused.schema) == f"output_config.format.schema: {refused.words}"


@pytest.mark.parametrize("name", TAKEN)
def test_a_schema_of_supported_parts_is_taken(name: str) -> None:
    assert refused_schema(TAKEN[name]) is None


@pytest.mark.parametrize("name", UNCERTAIN)
def test_in_doubt_a_schema_is_refused(name: str) -> None:
    assert refused_schema(UNCERTAIN[name]) is not None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            {"type": "number", "minimum": 0, "maximum": 1},
            "For 'number' type, properties maximum, minimum are not supported",
        ),
        (
            {"type": ["integer", "null"], "minimum": 0, "maximum": 1},
            "For 'integer' type, properties maximum, minimum are not supported",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 5},
            "For 'array' type, 'minItems' values other than 0 or 1 are not supported (got: [2, 5])",
        ),
        (True, "Input should be a valid dictionary"),
    ],
)
def test_several_keywords_are_one_refusal(schema: Any, words: str) -> None:
    assert refused_schema(schema) == f"output_config.format.schema: {words}"


def test_a_schema_of_too_many_optional_or_union_properties_is_refused() -> None:
    optional = closed(optional=True, **OPTIONAL)
    assert (refused_schema(optional) or "").startswith("Schemas contains too many optional parameters (25), which")
    words = refused_schema(closed(**NULLABLE)) or ""
    assert words.startswith("Schemas contains too many parameters with union types (17 parameters with type arrays or")
    assert words.endswith("(limit: 16 parameters with unions).")


def test_a_schema_that_is_nested_deeply_is_read_to_its_end() -> None:
    schema: Any = {"type": "number", "minimum": 1}
    for _ in range(300):
        schema = {"type": "array", "items": schema}
    assert "minimum" in (refused_schema(schema) or "")
