"""The question about each row, and the bytes that it becomes."""

from __future__ import annotations

import datetime
import functools
import json
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from jinja2 import DictLoader
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.requests import (
    MAX_PARAMS_BYTES,
    OutputSchema,
    PromptTemplate,
    Question,
    encode_ready_request,
)
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

MESSAGES = [{"role": "user", "content": "Hello"}]
COMPLETE = {"model": "m", "max_tokens": 8, "messages": MESSAGES}
OPEN = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
CLOSED = {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}}


def prompt(source: str = "Label: {{ row.text }}") -> PromptTemplate:
    return PromptTemplate(source, SandboxedEnvironment(), {})


def question(**fields: Any) -> Question:
    given: dict[str, Any] = {"prompt": prompt(), "model": "m", "max_tokens": 8} | fields
    return Question(**{name: value for name, value in given.items() if value is not None})


def built(answer: Any, **fields: Any) -> Question:
    return Question(request_builder=lambda row: answer, **fields)


async def asynchronous_builder(row: dict[str, Any]) -> dict[str, Any]:
    return row


def hello_builder(row: dict[str, Any]) -> dict[str, Any]:
    return {"messages": MESSAGES}


def test_a_prompt_becomes_the_one_user_message() -> None:
    asked = question(system="Be brief.", params={"temperature": 0.5, "metadata": {"user_id": "é"}})
    assert (
        asked.encode_params({"text": 'a "b"\u2028\né'}, 0)
        == (
            '{"model":"m","max_tokens":8,"system":"Be brief.","temperature":0.5,"metadata":{"user_id":"é"},'
            '"messages":[{"role":"user","content":"Label: a \\"b\\"\u2028\\né"}]}'
        ).encode()
    )


def test_a_prompt_that_does_not_mention_the_row_is_sent_for_one_row_alone() -> None:
    asked = question(prompt=prompt("Tell me a joke."))
    assert b"Tell me a joke." in asked.encode_params({"id": 1}, 0)
    with pytest.raises(ConfigurationError, match="does not mention the row, so that all rows would send the same text"):
        asked.encode_params({"id": 2}, 1)
    environment = SandboxedEnvironment(loader=DictLoader({"joke": "Tell me a joke about {{ row.id }}."}))
    for text in ("{% set _ = row %}Tell me a joke.", "{% include 'joke' %}", "{{ row.id }}"):
        mentioning = question(prompt=PromptTemplate(text, environment, {}))
        assert b'"messages"' in mentioning.encode_params({"id": 2}, 1)


def test_a_system_of_blocks_is_sent_as_it_is() -> None:
    blocks = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert json.loads(question(system=blocks).encode_params({"text": "a"}, 0))["system"] == blocks


def test_model_and_max_tokens_may_stand_among_the_params() -> None:
    asked = question(model=None, max_tokens=None, params={"model": "m", "max_tokens": 8})
    asked.validate()
    assert json.loads(asked.encode_params({"text": "a"}, 0))["max_tokens"] == 8


def test_a_builder_goes_over_the_defaults() -> None:
    asked = built({"max_tokens": 9, "messages": MESSAGES}, model="m", max_tokens=8, system="s", params={"top_k": 1})
    asked.validate()
    assert json.loads(asked.encode_params({}, 0)) == {
        "model": "m",
        "max_tokens": 9,
        "system": "s",
        "top_k": 1,
        "messages": MESSAGES,
    }


def test_a_builder_may_give_everything_and_any_mapping() -> None:
    asked = built(MappingProxyType(COMPLETE))
    asked.validate()
    assert json.loads(asked.encode_params({}, 0)) == COMPLETE


def test_a_builder_gets_a_dict_of_the_row() -> None:
    seen: list[Any] = []

    def builder(row: dict[str, Any]) -> dict[str, Any]:
        seen.append(row)
        return COMPLETE

    Question(request_builder=builder).encode_params(MappingProxyType({"a": 1}), 0)
    assert seen == [{"a": 1}]
    assert type(seen[0]) is dict


def test_decimals_and_dates_in_params_have_their_json_form() -> None:
    asked = built(COMPLETE | {"temperature": Decimal("0.50"), "metadata": {"day": datetime.date(2024, 5, 1)}})
    assert b'"temperature":0.50,"metadata":{"day":"2024-05-01"}' in asked.encode_params({}, 0)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": None}, "you gave none. Give exactly one"),
        ({"request_builder": hello_builder}, "you gave `prompt`, `request_builder`. Give exactly one"),
        ({"ready_requests": True}, "`prompt`, `requests`"),
        ({"model": None}, "`model` is missing"),
        ({"model": ""}, "`model` is ''"),
        ({"model": 5}, "`model` is 5"),
        ({"max_tokens": None}, "`max_tokens` is missing"),
        ({"max_tokens": 0}, "`max_tokens` is 0"),
        ({"max_tokens": -1}, "`max_tokens` is -1"),
        ({"max_tokens": True}, "`max_tokens` is True"),
        ({"max_tokens": "64"}, "`max_tokens` is '64'"),
        ({"max_tokens": 6.0}, "`max_tokens` is 6.0"),
        ({"params": {"stream": True}}, "`stream` is set"),
        ({"params": {"betas": ["b"]}}, "`betas`"),
        ({"params": {"messages": MESSAGES}}, "`messages`"),
        ({"params": {"model": "other"}}, "`model` is given twice"),
        ({"params": {"temperature": float("nan")}}, "at temperature"),
        ({"params": {"metadata": object()}}, "type object"),
        ({"params": ["temperature"]}, "`message_params` must be a dict"),
        ({"params": {1: 2}}, "`message_params` must be a dict"),
        ({"system": 5}, "`system` has type int"),
        ({"system": ["text"]}, "`system` has type list"),
        ({"system": [{"text": "no type"}]}, "content blocks"),
        ({"prompt": None, "request_builder": asynchronous_builder}, "not async"),
        ({"prompt": None, "request_builder": "name"}, "function"),
        ({"prompt": None, "ready_requests": True}, "`model`, `max_tokens`"),
    ],
)
def test_what_is_wrong_for_every_row_is_refused_before_the_first(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        question(**fields).validate()
    assert named in str(caught.value)
    assert not isinstance(caught.value, InvalidRowError)


@pytest.mark.parametrize(
    "asked",
    [
        question(),
        question(system="s", params={"stream": False}),
        Question(request_builder=hello_builder),
        Question(request_builder=functools.partial(hello_builder), max_tokens=1),
        Question(ready_requests=True),
    ],
)
def test_a_whole_question_is_valid(asked: Question) -> None:
    asked.validate()


WITHOUT_FIELD = {name: {k: v for k, v in COMPLETE.items() if k != name} for name in COMPLETE}

BAD_PARAMS: list[tuple[Any, str]] = [
    (None, "gave a value of type NoneType"),
    ([], "gave a value of type list"),
    (WITHOUT_FIELD["model"], "`model` is missing"),
    (WITHOUT_FIELD["max_tokens"], "`max_tokens` is missing"),
    (WITHOUT_FIELD["messages"], "`messages` must be a list"),
    (COMPLETE | {"messages": []}, "`messages` must be a list"),
    (COMPLETE | {"messages": "Hello"}, "`messages` must be a list"),
    (COMPLETE | {"max_tokens": 0}, "`max_tokens` is 0"),
    (COMPLETE | {"max_tokens": True}, "`max_tokens` is True"),
    (COMPLETE | {"model": None}, "`model` is None"),
    (COMPLETE | {"stream": True}, "`stream`"),
    (COMPLETE | {"betas": []}, "`betas`"),
    (COMPLETE | {"temperature": float("inf")}, "temperature"),
    (COMPLETE | {"temperature": Decimal("NaN")}, "temperature"),
    (COMPLETE | {"tools": [{"input_schema": {"minimum": float("nan")}}]}, "tools[0].input_schema.minimum"),
    (COMPLETE | {"metadata": {1, object()}}, "not JSON"),
    (COMPLETE | {"system": "\ud800"}, "surrogate"),
    (COMPLETE | {"output_config": OPEN}, "at $, `additionalProperties` is not false"),
]


@pytest.mark.parametrize(("params", "named"), BAD_PARAMS)
def test_params_that_no_batch_takes_name_row_and_field(params: Any, named: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        built(params).encode_params({}, 3)
    assert named in str(caught.value)
    assert "Row 3" in str(caught.value)
    assert "request_builder" in str(caught.value)


@pytest.mark.parametrize(("params", "named"), BAD_PARAMS)
def test_ready_requests_are_checked_alike(params: Any, named: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        encode_ready_request({"custom_id": "a", "params": params}, 3)
    assert named in str(caught.value)
    assert "requests" in str(caught.value)


@pytest.mark.parametrize("schema", [OPEN, CLOSED])
def test_a_builder_answers_for_the_schema_that_it_gives(schema: dict[str, Any]) -> None:
    asked = built(COMPLETE | {"output_config": schema}, params={"output_config": CLOSED})
    asked.validate()
    if schema is CLOSED:
        assert b'"additionalProperties":false' in asked.encode_params({}, 0)
    else:
        with pytest.raises(InvalidRowError, match=r"Row 0 .*given by request_builder, is one that the API refuses"):
            asked.encode_params({}, 0)


def test_null_in_params_is_no_nan() -> None:
    assert b'"top_k":null' in built(COMPLETE | {"top_k": None}).encode_params({}, 0)


def test_params_that_hold_themselves_are_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidRowError, match="nested"):
        built(COMPLETE | {"metadata": loop}).encode_params({}, 0)


def test_a_builder_that_raises_names_the_row_and_keeps_the_cause() -> None:
    def builder(row: dict[str, Any]) -> dict[str, Any]:
        raise LookupError(f"no image for {row['id']}")

    with pytest.raises(InvalidRowError, match=r"Row 5.*LookupError: no image for 9") as caught:
        Question(request_builder=builder).encode_params({"id": 9}, 5)
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_prompt_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidRowError, match="surrogate"):
        question().encode_params({"text": "a\udfffb"}, 0)


def test_a_request_above_the_byte_limit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    params = "anthropic_batches_provider.batches.requests.params"
    small = question()
    size = len(small.encode_params({"text": "é"}, 0))
    monkeypatch.setattr(f"{params}.MAX_PARAMS_BYTES", size)
    assert len(small.encode_params({"text": "é"}, 0)) == size
    with pytest.raises(InvalidRowError, match=rf"Row 4.*{size + 1:,} bytes"):
        small.encode_params({"text": "éa"}, 4)


def test_the_largest_params_fit_into_a_batch_with_any_custom_id() -> None:
    envelope = len(b'{"requests":[{"custom_id":"","params":}]}') + 64
    assert MAX_BYTES_PER_BATCH - 100 < MAX_PARAMS_BYTES + envelope < MAX_BYTES_PER_BATCH


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ("text", "has type str"),
        ({"params": COMPLETE}, "lacks custom_id"),
        ({"custom_id": "a"}, "lacks params"),
        ({}, "lacks custom_id and params"),
        ({"custom_id": "a", "params": COMPLETE, "method": "POST"}, "unknown fields: method"),
        ({"custom_id": None, "params": COMPLETE}, "custom_id is None"),
        ({"custom_id": True, "params": COMPLETE}, "custom_id is True"),
        ({"custom_id": ["a"], "params": COMPLETE}, "custom_id is ['a']"),
    ],
)
def test_a_ready_request_of_another_shape_is_refused(request_: Any, named: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        encode_ready_request(request_, 2)
    assert named in str(caught.value)
    assert caught.value.row_number == 2


@pytest.mark.parametrize("custom_id", ["1790/washington/1", "", "é" * 100, 5])
def test_the_custom_id_of_a_ready_request_may_be_what_the_api_would_refuse(custom_id: Any) -> None:
    assert encode_ready_request({"custom_id": custom_id, "params": COMPLETE}, 0)[0] == custom_id


def test_ready_requests_are_not_made_from_rows() -> None:
    with pytest.raises(ConfigurationError, match="not made from rows"):
        Question(ready_requests=True).encode_params({}, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"max_tokens": 9},
        {"system": "s"},
        {"params": {"temperature": 0}},
        {"prompt": prompt("Other: {{ row.text }}")},
        {"prompt": None, "request_builder": hello_builder},
    ],
)
def test_a_changed_question_has_another_fingerprint(changed: dict[str, Any]) -> None:
    assert question(**changed).fingerprint() != question().fingerprint()


def test_the_same_question_has_the_same_fingerprint() -> None:
    one = question(prompt=prompt(), params={"a": 1, "b": {"c": 2, "d": 3}})
    other = question(prompt=prompt(), params={"b": {"d": 3, "c": 2}, "a": 1})
    assert one.fingerprint() == other.fingerprint()
    assert len(one.fingerprint()) == 32


def test_the_fingerprint_of_a_schema_is_that_of_its_demands() -> None:
    text = {"type": "string", "maxLength": 9}
    schema = {"type": "object", "title": "A", "properties": {"title": text | {"title": "Title"}}, "required": ["title"]}
    one = question(output_schema=OutputSchema(schema)).fingerprint()
    assert question(output_schema=OutputSchema({**schema, "title": "B"}, "module:B")).fingerprint() == one
    other = {**schema, "properties": {"title": text | {"maxLength": 8}}}
    assert len({one, question(output_schema=OutputSchema(other)).fingerprint(), question().fingerprint()}) == 3


def test_the_fingerprint_of_a_builder_is_its_name_source_and_arguments() -> None:
    def partial_of(value: Any) -> str:
        return Question(request_builder=functools.partial(hello_builder, value)).fingerprint()

    class Builder:
        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            return row

    assert partial_of(1) == partial_of(1) != partial_of(2)
    assert partial_of(object()) == partial_of(object())
    assert Question(request_builder=Builder()).fingerprint() == Question(request_builder=Builder()).fingerprint()
    assert Question(request_builder=dict).fingerprint() != Question(request_builder=hello_builder).fingerprint()


def test_names_of_params_that_are_numbers_are_the_texts_that_are_sent() -> None:
    def question(params: dict[str, Any]) -> Question:
        return Question(request_builder=len, params=params)  # type: ignore[arg-type]

    by_number, by_text = question({"metadata": {1: "a"}}), question({"metadata": {"1": "a"}})
    assert by_number.fingerprint() == by_text.fingerprint() != question({"metadata": {2: "a"}}).fingerprint()


@pytest.mark.parametrize("kind", [ConnectionError, TimeoutError, MemoryError])
def test_a_failure_of_a_builder_that_may_pass_is_no_bad_row(kind: type[Exception]) -> None:
    def builder(row: dict[str, Any]) -> dict[str, Any]:
        raise kind("not now")

    with pytest.raises(kind, match="not now"):
        Question(request_builder=builder).encode_params({}, 0)


def test_a_schema_is_checked_apart_since_a_job_that_was_submitted_goes_on() -> None:
    asked = question(params={"output_config": OPEN})
    asked.validate()
    with pytest.raises(ConfigurationError, match=r"at \$, `additionalProperties` is not false"):
        asked.check_schema()
    question(params={"output_config": CLOSED}).check_schema()
    question().check_schema()
