"""Both libraries judge alike, and a reason says nothing of the answer."""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable
from typing import Any

import pytest

from anthropic_batches_provider.batches.judging import schema_checks
from anthropic_batches_provider.batches.judging.schema_checks import Check, check_is_schema, schema_check
from anthropic_batches_provider.errors import ConfigurationError
from tests.worlds.output_schemas import closed

LABEL = closed(
    sentiment={"enum": ["good", "bad"]},
    rating={"type": "integer", "minimum": 1, "maximum": 5},
    keywords={"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 3, "uniqueItems": True},
    price={"anyOf": [{"type": "number", "multipleOf": 0.1}, {"type": "null"}]},
    code={"type": "string", "pattern": r"^\d+$"},
)
FITS = {"sentiment": "good", "rating": 5, "keywords": ["a", "b"], "price": 0.3, "code": "123"}

REASONS = {
    "sentiment": ("SECRET", 'at $.sentiment, the value is not as `enum` demands: ["good","bad"]'),
    "rating": (17, "at $.rating, the value is not as `maximum` demands: 5"),
    "keywords": (["SECRETSECRET"], "at $.keywords[0], the value is not as `maxLength` demands: 9"),
    "price": (0.35, "at $.price, the value is not as `anyOf` demands"),
    "code": ("SECRET", 'at $.code, the value is not as `pattern` demands: "^\\\\d+$"'),
}


@pytest.fixture(params=["jsonschema-rs", "jsonschema"])
def check_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Check]:
    if request.param == "jsonschema":
        _without_the_quick_one(monkeypatch)
    else:
        pytest.importorskip("jsonschema_rs")
    return schema_check


@pytest.fixture
def check(check_of: Callable[[dict[str, Any]], Check]) -> Check:
    return check_of(LABEL)


def _without_the_quick_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def imported(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jsonschema_rs":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", imported)


def test_what_fits_has_no_reason(check: Check) -> None:
    assert check(FITS) is None
    assert check(FITS | {"rating": 5.0, "price": None}) is None


@pytest.mark.parametrize("column", REASONS)
def test_a_reason_names_the_place_and_the_demand(check: Check, column: str) -> None:
    value, reason = REASONS[column]
    assert check(FITS | {column: value}) == reason


def test_the_first_place_by_name_is_named(check: Check) -> None:
    wrong = {column: value for column, (value, _) in REASONS.items()}
    assert check(wrong) == REASONS["code"][1]
    assert check({"rating": 1}) == "at $, 'sentiment' is missing (`required`)"
    assert check(FITS | {"SECRET": 1}) == (
        "at $, there is a property that the schema does not name (`additionalProperties`)"
    )


@pytest.mark.parametrize(
    ("code", "fits"), [("12", True), ("12\n", False), ("\N{ARABIC-INDIC DIGIT ONE}", False), ("", False)]
)
def test_patterns_are_those_of_json_schema(check: Check, code: str, fits: bool) -> None:
    assert (check(FITS | {"code": code}) is None) == fits


@pytest.mark.parametrize(("price", "fits"), [(0.3, True), (1.1, True), (7, True), (0.35, False)])
def test_a_multiple_is_one_of_the_number_as_it_is_written(check: Check, price: float, fits: bool) -> None:
    assert (check(FITS | {"price": price}) is None) == fits


NAMED = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
TUPLE = {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        (TUPLE | {"items": False}, ["x", "y"], "at $, the value is not as `items` demands: false"),
        ({"anyOf": [NAMED], "allOf": [False]}, {}, "at $, there must be no value (`false`)"),
        (NAMED | {"propertyNames": {"maxLength": 5}}, {"SECRET": 1},
         "at $, the value is not as `maxLength` demands: 5"),
        (NAMED | {"dependentRequired": {"a": ["b"]}}, {"a": "x"},
         "at $, the value is not as `dependentRequired` demands"),
        (TUPLE | {"contains": {"const": "x"}, "minContains": 2}, ["x"],
         "at $, the value is not as `minContains` demands: 2"),
        (NAMED | {"required": ["b"], "allOf": [{"required": ["a"]}]}, {}, "at $, 'a' is missing (`required`)"),
        (NAMED | {"additionalProperties": {"type": "integer"}}, {"SECRET": "x"},
         'at $, the value is not as `type` demands: "integer"'),
    ],
    ids=["no more items", "nothing", "names", "needed beside another", "too few", "two of one keyword", "a new name"],
)  # fmt: skip
def test_a_reason_is_the_same_by_either(
    check_of: Callable[[dict[str, Any]], Check], schema: dict[str, Any], value: Any, reason: str
) -> None:
    assert check_of(schema)(value) == reason


def test_media_types_are_annotations_in_older_drafts_too(check_of: Callable[[dict[str, Any]], Check]) -> None:
    text = {"type": "string", "contentMediaType": "application/json"}
    assert check_of(text | {"$schema": "http://json-schema.org/draft-07/schema#"})("{") is None
    assert check_of(text)("{") is None


def test_numbers_of_any_size_are_judged(check: Check) -> None:
    assert check(FITS | {"rating": 10**30}) is not None
    assert check(FITS | {"price": 1e300}) is None


def test_the_slow_one_says_so_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    _without_the_quick_one(monkeypatch)
    schema_checks._tell_of_the_slow_one.cache_clear()
    with caplog.at_level(logging.WARNING):
        schema_check(LABEL)
        schema_check(LABEL)
    (said,) = [record.message for record in caplog.records if "output_schema" in record.message]
    assert said.endswith(
        "Install airflow-provider-anthropic-batches[validation] for a check that takes a hundredth of that."
    )


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "text"}, "at $.type, 'text' is not valid under any of the given schemas"),
        (closed(a={"type": "string", "pattern": "("}), "at $.properties.a.pattern, '(' is not a 'regex'"),
        ({"type": "string", "pattern": r"(?u)^\w+$"}, None),
        ({"type": "object", "required": "a"}, "at $.required, 'a' is not of type 'array'"),
    ],
)
def test_what_is_no_schema_is_refused_before_anything_is_sent(schema: dict[str, Any], problem: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_is_schema(schema)
    if problem is None:
        assert "in `output_schema` cannot be applied: " in str(caught.value)
        return
    assert str(caught.value) == f"`output_schema` is no JSON Schema: {problem}. No row was read."
