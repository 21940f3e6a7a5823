"""Mistakes in ``columns=`` that are known when the DAG is parsed are named there, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, task
from pydantic import BaseModel

from anthropic_batches_provider.batches.output.columns import RESULT_COLUMNS
from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.edge.chosen_columns import check_columns_of_rows
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)

CLOSED = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
    "required": ["label", "score"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "additionalProperties": {"type": "string"}}
TABLES: list[dict[str, Any]] = [
    {"destination": "/out", "output_format": "parquet"},
    {"destination": "/{{ ds }}", "output_format": "csv"},
    {"destination": SqlTable("warehouse", "labels")},
]
FILES: dict[str, Any] = {"destination": "/out"}


class Label(BaseModel):
    label: str
    score: float


def one(columns: Any, **changes: Any) -> MessageBatchOperator:
    asked = {"rows": [], "model": "m", "max_tokens": 1, "prompt": "?", "key": "id", **changes}
    return MessageBatchOperator(task_id="one", columns=columns, **asked)


def results(columns: Any, **changes: Any) -> MessageBatchResultsOperator:
    return MessageBatchResultsOperator(
        task_id="results", columns=columns, **{"job": "/jobs/d/t/u/-/job-0001", **changes}
    )


@pytest.mark.parametrize("schema", [CLOSED, Label])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table))
def test_fields_of_a_known_schema_are_columns_of_a_table(schema: Any, table: dict[str, Any]) -> None:
    for columns in (["parsed_label", "usage_input_tokens"], {"parsed": "", "usage": None}, ["parsed"], []):
        one(columns, output_schema=schema, **table)
    with pytest.raises(ConfigurationError, match=r"'parsed_lable'.* Did you mean 'parsed_label'\?"):
        one(["parsed_lable"], output_schema=schema, **table)
    with pytest.raises(ConfigurationError, match="would be named 'label': 'text' and 'parsed_label'"):
        one({"parsed": "", "text": "label"}, output_schema=schema, **table)
    with pytest.raises(ConfigurationError, match=r"both have a column 'label'\. .*columns=\{'parsed_label': "):
        one({"parsed": ""}, output_schema=schema, keep=["label"], **table)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table))
@pytest.mark.parametrize("schema", [None, OPEN])
def test_an_answer_without_fields_is_one_column(schema: Any, table: dict[str, Any]) -> None:
    one({"parsed": "answer"}, output_schema=schema, **table)
    with pytest.raises(ConfigurationError, match=r"'parsed_label'.*only with an output_schema that is a closed object"):
        one(["parsed_label"], output_schema=schema, **table)
    with pytest.raises(ConfigurationError, match="gives 'parsed' the empty name"):
        one({"parsed": ""}, output_schema=schema, **table)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table))
def test_fields_that_only_a_run_knows_are_taken_as_they_are(table: dict[str, Any]) -> None:
    for columns in (["parsed_label"], {"parsed": ""}, {"parsed": "answer", "parsed_score": None}):
        one(columns, output_schema="my.models:Label", **table)
        results(columns, **table)
    with pytest.raises(ConfigurationError, match=r"'usage_input'.* Did you mean 'usage_input_tokens'\?"):
        results(["usage_input"], **table)
    with pytest.raises(ConfigurationError, match="would be named 'text': 'text' and 'parsed_label'"):
        results({"parsed_label": "text"}, **table)


@pytest.mark.parametrize("files", [FILES, {"destination": "xcom"}, {}])
def test_elsewhere_answer_and_usage_are_one_column_each(files: dict[str, Any]) -> None:
    one(["parsed", "usage"], output_schema=CLOSED, **files)
    for make in (
        lambda columns: one(columns, output_schema=CLOSED, **files),
        lambda columns: results(columns, **files),
    ):
        for columns in (["parsed_label"], ["usage_input_tokens"]):
            with pytest.raises(ConfigurationError, match="only in a table"):
                make(columns)
        with pytest.raises(ConfigurationError, match="gives 'parsed' the empty name"):
            make({"parsed": ""})


@pytest.mark.parametrize(
    ("columns", "changes", "said"),
    [
        ("text", {}, "`columns` is 'text'"),
        (["text", "text"], {}, "names 'text' twice"),
        (["verdikt"], {}, r"Did you mean 'verdict'\?"),
        (["message"], {}, "only with include_message=True"),
        (["text"], {"include_message": True}, "leaves `message` out"),
        ({"text": "{{ ds }}"}, {}, r"'\{\{ ds \}\}', which looks like a template, but `columns` is not templated"),
        (["{{ ds }}"], {}, "looks like a template"),
    ],
)
def test_mistakes_that_need_no_job_are_found_in_both_operators(columns: Any, changes: Any, said: str) -> None:
    for make in (one, results):
        with pytest.raises(ConfigurationError, match=said):
            make(columns, **changes)


@pytest.mark.parametrize(
    ("columns", "changes", "said"),
    [
        ({"text": "answer"}, {"column_prefix": "a_"}, "`columns` and column_prefix='a_' exclude each other"),
        ([], {"column_prefix": "a_"}, "exclude each other"),
        ({"text": "id"}, {}, "both have a column 'id'"),
        ({"text": "year"}, {"keep": ["year"]}, "both have a column 'year'"),
        ({"text": "row_number"}, {"key": None}, "both have a column 'row_number'"),
        (["text"], {"keep": "text"}, "both have a column 'text'"),
        ({"model": None}, {"keep": ["text", "model"]}, "both have a column 'text'"),
        (["text"], {"keep": 7}, "`keep` is 7"),
        (["text"], {"key": []}, "`key` names no column"),
        (None, {"keep": "text"}, r"columns named text.*columns=\{'text': 'another_name'\}.*SubmitOperator cannot"),
    ],
)
def test_columns_of_the_rows_that_the_output_would_have_twice(columns: Any, changes: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        one(columns, **changes)


@pytest.mark.parametrize(
    ("columns", "changes"),
    [
        ({"text": "answer"}, {"keep": ["text"]}), ({"text": None}, {"key": "text"}), (["verdict"], {"keep": ["text"]}),
        ([], {"keep": ["text", "message"]}), ({"message": "whole"}, {"keep": ["message"], "include_message": True}),
        (["text"], {"keep": "*"}), ({"text": "a", "model": "text"}, {"keep": ["model"]}),
        (None, {"column_prefix": "a_"}),
    ],
)  # fmt: skip
def test_a_choice_frees_the_names_that_it_changes(columns: Any, changes: Any) -> None:
    one(columns, **changes)


def test_ready_requests_have_a_key_column_named_key() -> None:
    asked: dict[str, Any] = {
        "rows": None,
        "prompt": None,
        "model": None,
        "max_tokens": None,
        "key": None,
        "requests": [],
    }
    one({"text": "row_number"}, **asked)
    with pytest.raises(ConfigurationError, match="both have a column 'key'"):
        one({"text": "key"}, **asked)


def test_batches_of_others_have_no_columns_but_those_of_the_result() -> None:
    results(["text"], job=None, batch_ids=["msgbatch_1"])
    results([])
    nothing: list[Any] = [[], dict.fromkeys(RESULT_COLUMNS)]
    for columns in nothing:
        with pytest.raises(ConfigurationError, match="would have no column"):
            results(columns, job=None, batch_ids="{{ params.ids }}")


def test_the_output_of_another_task_is_refused() -> None:
    @task
    def names() -> list[str]:
        return ["text"]

    with DAG("d", schedule=None):
        output = names()
    for make in (one, results):
        for columns in (output, [output], {"text": output}):
            with pytest.raises(ConfigurationError, match="`columns` cannot be the output of another task"):
                make(columns)


@pytest.mark.parametrize(
    ("columns", "fields", "said"),
    [
        (["verdikt"], (), r"Did you mean 'verdict'\?"),
        (["parsed_label"], (), "only with an output_schema that is a closed object"),
        (["parsed_lable"], ("label",), r"Did you mean 'parsed_label'\?"),
        ({"parsed": ""}, ("id",), "both have a column 'id'"),
        (7, (), "of type int"),
    ],
)
def test_the_run_checks_what_was_not_known_before(columns: Any, fields: tuple[str, ...], said: str) -> None:
    operator = one(columns, destination="/out", output_format="csv", _airflow_from_mapped=True)
    with pytest.raises(ConfigurationError, match=said):
        check_columns_of_rows(operator, fields)


def test_names_of_the_result_follow_the_choice() -> None:
    assert one(None).result_columns(CLOSED) is None
    assert one({"text": "answer", **dict.fromkeys(RESULT_COLUMNS[4:])}).result_columns(CLOSED) == {
        "custom_id", "batch_id", "result_type", "answer",
    }  # fmt: skip
    assert one({"parsed": "", "usage": None}, output_schema=CLOSED, **TABLES[0]).result_columns(CLOSED) == {
        *RESULT_COLUMNS, "label", "score",
    } - {"parsed", "usage"}  # fmt: skip
    assert one(["parsed", "message"], include_message=True, **TABLES[0]).result_columns(None) == {"parsed", "message"}
    assert MessageBatchSubmitOperator(task_id="s", requests=[]).result_columns(CLOSED) is None


def test_a_mapped_task_is_checked_by_its_run() -> None:
    with DAG("d", schedule=None):
        MessageBatchResultsOperator.partial(task_id="results", columns=["verdikt"]).expand(
            job=["/jobs/d/t/u/-/job-0001", "/jobs/d/t/u/-/job-0002"]
        )
