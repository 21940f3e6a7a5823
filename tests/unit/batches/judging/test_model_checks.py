"""A pydantic model judges strictly, and is found by its name."""

from __future__ import annotations

import json
import logging
import sys
import types
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from anthropic_batches_provider.batches.judging import model_checks
from anthropic_batches_provider.batches.judging.model_checks import imported_model, model_check
from anthropic_batches_provider.batches.requests import OutputSchema, schema_of_model


class Part(BaseModel):
    """A part of a label."""

    name: str = Field(max_length=9)


class Label(BaseModel):
    """What the answers are meant for."""

    model_config = {"extra": "forbid"}

    mood: Literal["good", "bad"]
    rating: int = Field(ge=1, le=5)
    parts: list[Part]

    @field_validator("rating")
    @classmethod
    def _not_four(cls, rating: int) -> int:
        if rating == 4:
            raise ValueError(f"SECRET {rating}")
        if rating == 2:
            raise RuntimeError("SECRET")
        if rating == 3:
            raise SystemExit("SECRET")
        return rating


FITS: dict[str, Any] = {"mood": "good", "rating": 5, "parts": [{"name": "a"}]}
NAME = f"{__name__}:Label"


def schema(name: str = NAME, model: type[BaseModel] = Label) -> OutputSchema:
    return OutputSchema(schema_of_model(model), name)


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    model_checks._model_of.cache_clear()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"rating": 17}, "at $.rating, `less_than_equal` (le=5)"),
        ({"rating": "5"}, "at $.rating, `int_type`"),
        ({"rating": 4}, "at $.rating, `value_error`"),
        ({"rating": 2}, "the model's own validator raised RuntimeError"),
        ({"rating": 3}, "the model's own validator raised SystemExit"),
        ({"mood": "SECRET"}, "at $.mood, `literal_error` (expected='good' or 'bad')"),
        ({"parts": [{"name": "a"}, {"name": "SECRETSECRET"}]}, "at $.parts[1].name, `string_too_long` (max_length=9)"),
        ({"SECRET": 1}, "at $, `extra_forbidden`"),
        ({"parts": [{}]}, "at $.parts[0].name, `missing`"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_reason_names_the_place_and_the_demand(change: dict[str, Any], reason: str | None) -> None:
    check = model_check(schema())
    assert check is not None
    assert check(json.dumps(FITS | change)) == reason


def test_a_model_of_a_dag_file_is_found_under_the_name_of_another_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("unusual_prefix_1234abcd_labels_dag")
    module.Label = Label  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert imported_model("unusual_prefix_99ff_labels_dag:Label") is Label
    with pytest.raises(ImportError):
        imported_model("unusual_prefix_99ff_other_dag:Label")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (schema("no_such_module:Label"), "cannot be imported here (ModuleNotFoundError: No module named"),
        (schema(f"{__name__}:Gone"), "cannot be imported here (AttributeError: "),
        (schema(NAME, Part), "has another schema by now"),
    ],
    ids=["no module", "no class", "changed"],
)
def test_without_the_model_the_log_says_once_that_its_validators_did_not_run(
    asked: OutputSchema, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert model_check(asked) is None
        assert model_check(asked) is None
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"The model {asked.model_name}, which the answers of this job are meant for, {why}" in said
    assert said.endswith("the model's own validators did not run.")


def test_a_schema_without_a_model_has_no_such_check() -> None:
    assert model_check(OutputSchema({"type": "string"})) is None
