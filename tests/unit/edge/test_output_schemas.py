"""The value of ``output_schema=``: what is taken, what is refused, and what Airflow writes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG
from pydantic import BaseModel

from anthropic_batches_provider.decorators import message_batch_task
from anthropic_batches_provider.edge.output_schemas import SchemaArgument
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import MessageBatchOperator
from tests.worlds.output_schemas import closed


def _rows(number: int) -> list[dict[str, Any]]:
    return [{"number": number}]


class Label(BaseModel):
    """A model at the top of a module."""

    name: str


def test_a_model_is_known_by_its_name_and_its_schema() -> None:
    for value in (Label, f"{__name__}:Label"):
        found = SchemaArgument(value).resolved()
        assert (found.model_name, found.schema) == (f"{__name__}:Label", Label.model_json_schema())


def test_a_json_schema_is_taken_as_it_is() -> None:
    schema = closed(a={"type": "integer", "maximum": 5})
    assert (SchemaArgument(schema).resolved().schema, SchemaArgument(schema).resolved().model_name) == (schema, "")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("Label", "output_schema= is the text 'Label'. Give a pydantic model, a JSON Schema (a dict), or"),
        (17, "output_schema= is of type int. Give"),
        (Label(name="a"), "output_schema= is of type Label. Give"),
        (dict, "output_schema= is of type type. Give"),
    ],
)
def test_what_is_no_schema_fails_the_import_of_the_dag(value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SchemaArgument(value)
    assert problem in str(caught.value)


def test_a_model_inside_a_function_fails_the_import_of_the_dag() -> None:
    class Inner(BaseModel):
        name: str

    with pytest.raises(ConfigurationError, match=r"defined inside a function.*Define it at the top of its module"):
        SchemaArgument(Inner)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:Label", "output_schema='no_such_module:Label' cannot be imported: ModuleNotFoundError: "),
        (f"{__name__}:Gone", "cannot be imported: AttributeError: "),
        (f"{__name__}:closed", "names no pydantic model"),
        ({"type": "text"}, "`output_schema` is no JSON Schema: at $.type, "),
        ({"enum": [object]}, "`output_schema` is not JSON: "),
    ],
)
def test_what_a_run_alone_knows_is_refused_before_a_row_is_read(value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SchemaArgument(value).resolved()
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"message_params": {"output_config": {"format": {"type": "json_schema"}}}}, "both ask for a form"),
        ({"message_params": {"output_config": "high"}}, "`output_config` is 'high'; it must be a dict."),
    ],
)
def test_a_second_form_fails_the_import_of_the_dag(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        MessageBatchOperator(
            task_id="a", rows=[{}], prompt="x", model="claude-haiku-4-5", max_tokens=9, output_schema=Label, **more
        )


def test_ready_requests_carry_their_own() -> None:
    with pytest.raises(ConfigurationError, match=r"put the schema into `output_config\.format` of their params"):
        MessageBatchOperator(task_id="a", requests=[], output_schema=Label)


def test_airflow_writes_neither_source_code_nor_schema() -> None:
    from airflow.serialization import serialized_objects

    name = "DagSerialization" if hasattr(serialized_objects, "DagSerialization") else "SerializedDAG"  # below 3.2
    serialized: Any = getattr(serialized_objects, name)
    with DAG("schemas", schedule=None) as dag:
        common: dict[str, Any] = {"prompt": "x", "model": "claude-haiku-4-5", "max_tokens": 9}
        MessageBatchOperator(task_id="plain", rows=[{}], output_schema=Label, **common)
        MessageBatchOperator.partial(task_id="mapped", output_schema=Label, **common).expand(rows=["/a.jsonl"])
        schema = {"type": "string", "description": "SECRET"}
        MessageBatchOperator.partial(task_id="by_schema", output_schema=schema, **common).expand(rows=["/a.jsonl"])
        decorated: Any = message_batch_task(_rows, output_schema=Label, **common)
        decorated.expand(number=[1])
    written = json.dumps(serialized.to_dict(dag))
    assert "class Label" not in written
    assert "SECRET" not in written
    assert "<model Label>" in written
