"""Answers that fit, over random schemas and answers: the user's own schema judges, and the API takes what is sent."""

from __future__ import annotations

import copy
import json
from typing import Any
from unittest import mock

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.judging import Judge, check_is_schema, judge, judge_for, schema_checks
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.requests.api_schemas import ApiSchema, api_schema
from anthropic_batches_provider.batches.requests.output_schemas import problems_of_schema
from anthropic_batches_provider.batches.results import Result, decode_result
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.simulator.service.schema_refusals import refused_schema
from tests.worlds.random_user_schemas import MARKS, Schema, changed, made_answers, user_schemas, with_one_part_less

QUICK = settings(deadline=None, database=None, derandomize=True, print_blob=True, max_examples=150)
QUICK = settings(
    QUICK, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
)
THOROUGH = settings(QUICK, derandomize=False, max_examples=20_000)

SEEDS = st.integers(0, 2**32)


def form_of(schema: Schema) -> Schema:
    """Return the API's form of a schema; one that has none is another test's subject."""
    made = form_or_error(schema)
    assume(not isinstance(made, str))
    assert isinstance(made, ApiSchema)
    return made.schema


def accepts(schema: Schema, answer: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(answer))


# ------------------------------------------------------------------------------------------------------ what is sent


def form_or_error(schema: Schema) -> ApiSchema | str:
    try:
        return api_schema(schema)
    except ConfigurationError as error:
        return str(error)


def check_form(schema: Schema) -> None:
    """Check that the service takes what is made of a schema, or that a message names the place at fault."""
    check_is_schema(schema)
    before = copy.deepcopy(schema)
    made = form_or_error(schema)
    assert json.dumps(schema) == json.dumps(before)
    assert made == form_or_error(before)
    if isinstance(made, str):
        assert "at $" in made
    else:
        assert problems_of_schema(json.dumps(made.schema).encode()) == ()
        assert refused_schema(made.schema) is None
        assert len(set(made.weakened)) == len(made.weakened)


@settings(QUICK)
@given(schema=user_schemas() | user_schemas(broken=True))
def test_the_service_takes_what_is_sent_for_a_schema_or_its_place_is_named(schema: Schema) -> None:
    check_form(schema)


@pytest.mark.long
@settings(THOROUGH)
@given(schema=user_schemas() | user_schemas(broken=True))
def test_so_it_does_for_twenty_thousand_schemas(schema: Schema) -> None:
    check_form(schema)


# ------------------------------------------------------------------------------------------------ how it is judged


def judges_of(schema: Schema) -> tuple[Judge, Judge]:
    """Return the judge of a schema by jsonschema-rs, and the one by jsonschema."""
    judge._judge_by.cache_clear()
    quick = judge_for(OutputSchema(schema), structured=True)
    judge._judge_by.cache_clear()
    with mock.patch.object(schema_checks, "_quick_check", return_value=None):
        return quick, judge_for(OutputSchema(schema), structured=True)


def result_of(answer: Any) -> Result:
    block = {"type": "text", "text": json.dumps(answer)}
    message = {"content": [block], "model": "m", "stop_reason": "end_turn", "usage": {}}
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    return decode_result(json.dumps(line).encode())


def check_verdicts(schema: Schema, answers: list[Any]) -> None:
    """Check that both judges say of each answer what JSON Schema says, in words that hold nothing of the answer."""
    quick, slow = judges_of(schema)
    for answer in answers:
        result = result_of(answer)
        row, other = quick(b"{}", "b", result), slow(b"{}", "b", result)
        assert (row.verdict, row.parsed, row.reason) == (other.verdict, other.parsed, other.reason)
        if accepts(schema, answer):
            assert (row.verdict, row.reason) == ("fits", None)
            assert row.parsed is not None
            assert bytes(row.parsed).decode() == json.dumps(answer)
        else:
            assert (row.verdict, row.parsed) == ("invalid_output", None)
            assert row.reason is not None
            assert row.reason.startswith("at $")
            assert not any(mark in row.reason for mark in MARKS)


@st.composite
def schemas_and_answers(draw: st.DrawFn) -> tuple[Schema, list[Any]]:
    """Draw a schema and answers: that its form accepts, that it may accept itself, changed ones, and any JSON."""
    schema = draw(user_schemas())
    form = form_of(schema)
    answers = [*made_answers(form, draw(SEEDS)), *made_answers(form, draw(SEEDS)), *made_answers(schema, draw(SEEDS))]
    answers += [draw(changed(answer)) for answer in answers]
    return schema, [*answers, draw(changed(None))]


@settings(QUICK, max_examples=300)
@given(drawn=schemas_and_answers())
def test_an_answer_fits_exactly_if_the_users_schema_accepts_it(drawn: tuple[Schema, list[Any]]) -> None:
    check_verdicts(*drawn)


@pytest.mark.long
@settings(THOROUGH)
@given(drawn=schemas_and_answers())
def test_so_do_the_answers_to_twenty_thousand_schemas(drawn: tuple[Schema, list[Any]]) -> None:
    check_verdicts(*drawn)


@pytest.mark.parametrize("fits", [True, False])
def test_the_form_accepts_answers_that_fit_and_answers_that_do_not(fits: bool) -> None:
    def has_one(drawn: tuple[Schema, list[Any]]) -> bool:
        schema, answers = drawn
        form = form_of(schema)
        return any(accepts(form, one) and accepts(schema, one) == fits for one in answers)

    find(schemas_and_answers(), has_one, settings=settings(QUICK, phases=[Phase.generate]))


# --------------------------------------------------------------------------------------- what the form may demand more


def check_form_accepts(schema: Schema, answers: list[Any]) -> None:
    """Check that the form accepts every answer that a schema accepts, if the answer has no property of its own."""
    form = form_of(schema)
    for answer in answers:
        assert not accepts(schema, answer) or accepts(form, answer)


@st.composite
def schemas_and_named_answers(draw: st.DrawFn) -> tuple[Schema, list[Any]]:
    """Draw a schema and answers with no properties but those that the schema names for their place."""
    schema = draw(user_schemas())
    answers = [*made_answers(schema, draw(SEEDS)), *made_answers(schema, draw(SEEDS))]
    return schema, [*answers, *(lesser for answer in answers for lesser in with_one_part_less(answer))]


@settings(QUICK)
@given(drawn=schemas_and_named_answers())
def test_the_form_accepts_what_a_schema_accepts_whose_objects_are_closed(drawn: tuple[Schema, list[Any]]) -> None:
    check_form_accepts(*drawn)


@pytest.mark.long
@settings(THOROUGH)
@given(drawn=schemas_and_named_answers())
def test_so_do_the_forms_of_twenty_thousand_schemas(drawn: tuple[Schema, list[Any]]) -> None:
    check_form_accepts(*drawn)
