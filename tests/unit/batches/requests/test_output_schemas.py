"""Only schemas that the API is certain to refuse are found, each with its path, keyword and fix."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests.output_schemas import (
    MAX_OPTIONAL_PROPERTIES,
    MAX_UNION_PROPERTIES,
    named_problems,
    problems_of_output_config,
    problems_of_params,
    problems_of_schema,
)
from anthropic_batches_provider.batches.requests.schema_places import SchemaProblem
from tests.worlds.output_schemas import NULLABLE, OPTIONAL, REFUSED, TAKEN, UNCERTAIN, Refused, closed


def problems(schema: Any) -> tuple[SchemaProblem, ...]:
    return problems_of_schema(json.dumps(schema).encode())


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_a_refused_schema_is_named_by_path_and_keyword_with_a_fix(refused: Refused) -> None:
    (problem,) = problems(refused.schema)
    assert (problem.path, problem.keyword) == refused.place
    assert f"`{problem.keyword}`" in problem.problem
    assert problem.fix


@pytest.mark.parametrize("name", [*TAKEN, *UNCERTAIN])
def test_what_the_api_takes_or_may_take_passes(name: str) -> None:
    assert problems((TAKEN | UNCERTAIN)[name]) == ()


@pytest.mark.parametrize("schema", [True, None, [], "text", {}, {"$ref": 1}, {"$ref": "#anchor"}, {"type": {}}])
def test_a_value_that_is_no_schema_is_left_to_the_api(schema: Any) -> None:
    assert problems(schema) == ()


def test_a_schema_that_is_nested_too_deeply_to_follow_is_left_to_the_api() -> None:
    assert problems_of_schema(b'{"items":' * 9000 + b'{"minimum":1}' + b"}" * 9000) == ()


def test_more_optional_properties_than_the_api_takes_are_counted_over_all_objects() -> None:
    assert MAX_OPTIONAL_PROPERTIES == 24
    inner = closed(optional=True, **OPTIONAL)
    (problem,) = problems(closed(a=inner))
    assert (problem.path, problem.keyword) == ("$", "required")
    assert "25 properties are not in `required`, and 24 may be" in problem.problem
    twice = closed(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}, defs={"A": closed(optional=True, c={}, d={})})
    assert problems(twice) == ()


def test_more_unions_than_the_api_takes_are_counted() -> None:
    assert MAX_UNION_PROPERTIES == 16
    (problem,) = problems(closed(**NULLABLE))
    assert "17 properties have `anyOf` or a list of types, and 16 may" in problem.problem


def test_every_problem_is_found_at_once() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number", "minimum": 0, "maximum": 1}, "a b": {
        "type": "string", "maxLength": 3}}}  # fmt: skip
    assert [(each.path, each.keyword) for each in problems(schema)] == [
        ("$", "additionalProperties"),
        ("$.properties.score", "minimum"),
        ("$.properties.score", "maximum"),
        ("$.properties['a b']", "maxLength"),
    ]


def test_problems_are_named_in_sentences_and_a_long_list_is_cut() -> None:
    found = problems(closed(a={"type": "string", "maxLength": 3}))
    assert named_problems(found) == (
        "is one that the API refuses: at $.properties.a, `maxLength` is not supported (leave it out, and state it in "
        "`description`). Correct the schema; https://platform.claude.com/docs/en/build-with-claude/structured-outputs "
        "says what it may hold."
    )
    assert "; and 2 more. Correct" in named_problems(found * 12)


@pytest.mark.parametrize(
    ("output_config", "keywords"),
    [
        ({}, []),
        (None, []),
        ([], []),
        ({"effort": "low"}, []),
        ({"format": None}, []),
        ({"format": "json"}, []),
        ({"format": {"type": "json_schema"}}, ["schema"]),
        ({"format": {"type": "json_schema", "schema": {"type": "object"}}}, ["additionalProperties"]),
        ({"format": {"type": "json_schema", "name": "x", "schema": {"type": "string"}}}, []),
        ({"format": {"type": "of another kind", "schema": {"type": "object"}}}, []),
    ],
)
def test_the_schema_is_found_in_an_output_config_and_in_params(output_config: Any, keywords: list[str]) -> None:
    encoded = json.dumps(output_config).encode()
    assert [each.keyword for each in problems_of_output_config(encoded)] == keywords
    params = json.dumps({"model": "m", "output_config": output_config}).encode()
    assert [each.keyword for each in problems_of_params(params)] == keywords


def test_params_without_an_output_config_have_no_problem() -> None:
    assert problems_of_params(b'{"model":"m"}') == ()
    assert problems_of_params(b"[]") == ()


def test_a_large_schema_is_checked_too() -> None:
    schema = closed(a={"type": "string", "maxLength": 3, "description": "x" * 100_000})
    encoded = json.dumps({"format": {"type": "json_schema", "schema": schema}}).encode()
    assert [each.keyword for each in problems_of_output_config(encoded)] == ["maxLength"]
