"""A user's schema in the form that the API takes: as the SDK makes it, and refused by place where it cannot be said."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
from typing import Annotated, Any, Literal

import anthropic
import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from anthropic_batches_provider.batches.requests.api_schemas import api_schema
from anthropic_batches_provider.batches.requests.output_schemas import problems_of_schema
from anthropic_batches_provider.errors import ConfigurationError
from tests.worlds.output_schemas import closed

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


class Mood(enum.Enum):
    """How a text sounds."""

    GOOD = "good"
    BAD = "bad"


class Place(BaseModel):
    """Where something was seen."""

    name: Annotated[str, Field(min_length=1, max_length=80, pattern="^[A-Z]")]
    seen_at: datetime.datetime
    share: float = Field(default=0.5, ge=0, le=1)


class Report(BaseModel):
    """Uses what pydantic models commonly use."""

    mood: Mood
    kind: Literal["a", "b"] = Field(description="the kind")
    keywords: list[str] = Field(max_length=5)
    rating: int = Field(ge=1, le=5, description="from 1 to 5")
    places: list[Place] = Field(min_length=1)
    best: Place | None = None
    price: decimal.Decimal
    day: datetime.date
    number_or_text: int | str
    exactly: Literal[7]
    flags: list[bool]


class Places(RootModel[list[Place]]):
    """A list at the root."""


class Only(RootModel[Place]):
    """A reference at the root."""


@pytest.mark.parametrize("model", [Place, Report, Places, Only], ids=lambda model: model.__name__)
@pytest.mark.skipif(int(anthropic.__version__.split(".")[0]) < 2, reason="the SDK's form was another before 2.0")
def test_models_have_the_form_that_the_sdk_gives_them(model: type[BaseModel]) -> None:
    made = api_schema(model.model_json_schema())
    assert made.schema == anthropic.transform_schema(model)
    assert problems_of_schema(json.dumps(made.schema).encode()) == ()


def test_what_is_weakened_is_told_by_place() -> None:
    assert api_schema(Report.model_json_schema()).weakened == (
        "$.properties.keywords: maxItems",
        "$.properties.rating: maximum, minimum",
        "$.$defs.Place.properties.name: maxLength, minLength, pattern",
        "$.$defs.Place.properties.share: maximum, minimum",
    )
    assert api_schema(closed(a=TEXT | {"default": "x", "format": "regex"})).weakened == ()


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        pytest.param(
            {"type": ["string", "null"], "maxLength": 3, "description": "d"},
            {"anyOf": [TEXT | {"description": "{maxLength: 3}"}, {"type": "null"}], "description": "d"},
            id="a list of types",
        ),
        pytest.param({"type": "string", "enum": ["a", None]}, {"enum": ["a"]}, id="values of another type"),
        pytest.param(
            {"type": ["string", "null"], "enum": ["a", "b"]}, {"enum": ["a", "b"]}, id="a type without values"
        ),
        pytest.param({"oneOf": [TEXT, WHOLE]}, {"anyOf": [TEXT, WHOLE]}, id="oneOf"),
        pytest.param(
            {"properties": {"a": TEXT}, "required": ["a"], "anyOf": [{"required": ["a"]}]},
            closed(a=TEXT) | {"description": "{anyOf: [{'required': ['a']}]}"},
            id="a type that is meant",
        ),
        pytest.param(
            {
                "allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": WHOLE}, "required": ["b"]}],
                "$defs": {"A": {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}},
            },
            closed(a=TEXT, b=WHOLE),
            id="parts of allOf",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": TEXT}, "allOf": [{"if": {}, "then": {"required": ["a"]}}]},
            closed(optional=True, a=TEXT) | {"description": "{allOf: [{'if': {}, 'then': {'required': ['a']}}]}"},
            id="conditions in allOf",
        ),
        pytest.param(
            {"type": "array", "prefixItems": [TEXT, WHOLE, TEXT]},
            {
                "type": "array",
                "items": {"anyOf": [TEXT, WHOLE]},
                "description": "{prefixItems: [{'type': 'string'}, {'type': 'integer'}, {'type': 'string'}]}",
            },
            id="a tuple",
        ),
        pytest.param(
            closed(a={"$ref": "#/definitions/a~1b"}) | {"definitions": {"a/b": TEXT, "never": {}}},
            {"$defs": {"a/b": TEXT}} | closed(a={"$ref": "#/$defs/a~1b"}),
            id="definitions of an older draft",
        ),
        pytest.param(
            closed(a=TEXT, b={"$ref": "#/properties/a"}), closed(a=TEXT, b=TEXT), id="a reference to a property"
        ),
        pytest.param(
            {
                "allOf": [
                    {"$ref": "#/$defs/A"},
                    {"properties": {"above": {"allOf": [{"$ref": "#/$defs/A"}]}}, "required": ["above"]},
                ],
                "$defs": {"A": {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}},
            },
            closed(a=TEXT, above=closed(a=TEXT)),
            id="allOf of one definition in another of the same",
        ),
        pytest.param(
            {"$ref": "#/$defs/A", "properties": {"b": WHOLE}, "required": ["b"]}
            | {"$defs": {"A": {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}}},
            {"type": "object", "properties": {"b": WHOLE, "a": TEXT}, "required": ["b", "a"]}
            | {"additionalProperties": False},
            id="demands beside a reference",
        ),
        pytest.param({"type": "array", "items": TEXT, "minItems": 1}, None, id="minItems of 1"),
        pytest.param(closed(optional=True), None, id="an object that is always empty"),
    ],
)
def test_other_schemas(schema: dict[str, Any], form: dict[str, Any] | None) -> None:
    before = json.dumps(schema)
    assert api_schema(schema).schema == (schema if form is None else form)
    assert json.dumps(schema) == before


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: str


class _Scores(BaseModel):
    scores: dict[str, int]


class _Anything(BaseModel):
    value: Any


class _Tree(BaseModel):
    children: list[_Tree]


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (_Open.model_json_schema(), "at $, `additionalProperties` leaves the object open"),
        (_Scores.model_json_schema(), "at $.properties.scores, `additionalProperties` leaves the object open"),
        (_Anything.model_json_schema(), "at $.properties.value, a schema without `type` takes any value"),
        (_Tree.model_json_schema(), "at $.$defs._Tree.properties.children.items, `$ref` '#/$defs/_Tree' makes it"),
        ({}, "at $, a schema without `type` takes any value"),
        (closed(a=True), "at $.properties.a, `true` takes any value"),
        ({"type": "object"}, "at $, an object without `properties` takes any"),
        ({"type": "array"}, "at $, an array without `items` takes any"),
        ({"type": "array", "items": {"$ref": "#"}}, "at $.items, `$ref` '#' makes it recursive"),
        ({"oneOf": [TEXT, {}]}, "at $.oneOf[1], a schema without `type` takes any value"),
        ({"type": "text"}, "at $, `type` 'text' is no type"),
        ({"enum": [{"a": 1}]}, "at $, `enum` or `const` holds an object or an array"),
        ({"type": "string", "enum": [1]}, "at $, no value of `enum` or `const` has the `type`"),
        (closed(a=TEXT) | {"required": ["b"]}, "at $, `required` names 'b', which is not in `properties`"),
        (closed(a=TEXT) | {"patternProperties": {}}, "at $, `patternProperties` is not supported"),
        (closed(a={"$ref": "other.json"}), "at $.properties.a, `$ref` 'other.json' is no place in the schema"),
        (closed(a={"$ref": "#/$defs/A"}), "at $.properties.a, `$ref` '#/$defs/A' leads to nothing"),
        ({"allOf": [TEXT, WHOLE]}, "at $, the parts of `allOf` differ in `type`"),
        ({"allOf": [closed(a=TEXT), closed(b=TEXT)]}, "at $, a part of `allOf` is closed to the properties of another"),
        ({"not": {"$ref": "#/$defs/missing"}, "type": "string"}, "at $, `$ref` '#/$defs/missing' leads to nothing"),
        ({"not": {"$ref": "http://x/y"}, "type": "string"}, "at $, `$ref` 'http://x/y' is no place in the schema"),
        (
            {"type": "object", "properties": {"kind": TEXT}, "oneOf": [{"properties": {"x": TEXT}, "required": ["x"]}]},
            "at $, a condition on the object names 'x', which is not in `properties`",
        ),
        (
            {"type": "object", "properties": {"a": TEXT}, "dependentRequired": {"a": ["b"]}},
            "at $, a condition on the object names 'b', which is not in `properties`",
        ),
        (
            {"type": "object", "properties": {"a": TEXT}, "if": {"required": ["a"]}, "then": {"$ref": "#/$defs/B"}}
            | {"$defs": {"B": {"required": ["b"]}}},
            "at $, a condition on the object names 'b', which is not in `properties`",
        ),
        (
            {"type": "object", "properties": {"a": TEXT}, "minProperties": 2},
            "at $, `minProperties` is 2, and there are 1 in `properties`",
        ),
        (closed(optional=True, **{f"p{n}": TEXT for n in range(25)}), "at $, 25 properties are not in `required`"),
    ],
    ids=lambda value: value.partition(", ")[2][:40] if isinstance(value, str) else "",
)
def test_what_cannot_be_said_is_refused_by_place(schema: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        api_schema(schema)
    assert place in str(caught.value)
    assert str(caught.value).endswith("No row was read.")


@pytest.mark.parametrize(
    "definition",
    [
        {"allOf": [{"$ref": "#/$defs/A"}]},
        {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#/$defs/A"}], "title": "A"}}},
        {"type": "array", "items": {"allOf": [{"$ref": "#/$defs/B"}]}},
    ],
    ids=["itself", "a property", "another definition"],
)
def test_recursion_by_allof_is_refused_by_place(definition: dict[str, Any]) -> None:
    defined = {"A": definition, "B": closed(a={"$ref": "#/$defs/A"})}
    with pytest.raises(ConfigurationError, match=r"at \$\.allOf\[0\], `\$ref` '#/\$defs/A' makes it recursive"):
        api_schema({"allOf": [{"$ref": "#/$defs/A"}], "$defs": defined})


def test_a_place_is_named_once_whatever_its_types() -> None:
    assert api_schema({"type": ["integer", "number"], "minimum": 1}).weakened == ("$: minimum",)
    schema = {"type": ["object", "null"], "properties": {"a": TEXT}, "patternProperties": {}}
    with pytest.raises(ConfigurationError) as caught:
        api_schema(schema)
    assert str(caught.value).count("patternProperties") == 1


def test_a_schema_without_end_is_refused() -> None:
    schema: dict[str, Any] = TEXT
    for _ in range(3000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        api_schema(schema)
