"""Two witnesses of which schemas the API refuses: whatever the provider does not send, the simulator refuses too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.requests.output_schemas import problems_of_schema
from anthropic_batches_provider.simulator.service.schema_refusals import refused_schema
from tests.worlds.output_schemas import NULLABLE, OPTIONAL, REFUSED, TAKEN, UNCERTAIN, closed

CORPUS = (
    {refused.name: refused.schema for refused in REFUSED}
    | TAKEN
    | UNCERTAIN
    | {"optional": closed(optional=True, **OPTIONAL), "unions": closed(**NULLABLE)}
)


def disagreement(schema: Any) -> tuple[Any, ...] | None:
    problems = problems_of_schema(json.dumps(schema).encode())
    return problems if problems and refused_schema(schema) is None else None


@pytest.mark.parametrize("name", CORPUS)
def test_the_provider_refuses_nothing_that_the_simulator_takes(name: str) -> None:
    assert disagreement(CORPUS[name]) is None


KEYWORDS = st.sampled_from(
    ("minimum", "maxLength", "pattern", "maxItems", "minItems", "format", "default", "if", "title", "required")
)
VALUES = st.sampled_from((0, 1, 2, True, None, "x", "date", r"\bx", [], ["a"]))
REFERENCES = st.sampled_from(("#", "#/$defs/A", "#/$defs/B", "#/properties/a", "#/$defs/A/items", "#x", "a.json"))
LEAVES = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(("string", "object", "array", "float", ["number", "null"], 1))}
) | st.dictionaries(KEYWORDS, VALUES, max_size=2)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    named = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(("object", "array")),
            "properties": named,
            "items": inner | some,
            "anyOf": some,
            "allOf": some,
            "additionalProperties": st.sampled_from((False, False, True)) | inner,
            "enum": st.lists(VALUES, max_size=2),
        },
    )


SCHEMAS = st.recursive(LEAVES | st.fixed_dictionaries({"$ref": REFERENCES}), _larger, max_leaves=8)


@given(schema=SCHEMAS, definitions=st.dictionaries(st.sampled_from("AB"), SCHEMAS, max_size=2))
def test_of_any_schema_the_provider_refuses_no_more_than_the_simulator(schema: Any, definitions: Any) -> None:
    assert disagreement(schema | {"$defs": definitions}) is None
