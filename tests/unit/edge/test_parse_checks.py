"""An argument that can never be right fails when the operator is made; one that only a run knows does not."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, XComArg, task, task_group
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.definitions.template import literal

from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

ASKED: dict[str, Any] = {"rows": [{"id": 1}], "prompt": "{{ row.id }}", "model": "m", "max_tokens": 1}
NUMBERS = itertools.count()
LATER = literal("known when it is resolved")
JOB = "file:///jobs/dag/task/unit/-/job-0001"


class NotGiven:
    __module__ = "anthropic"


class Block:
    """Stands for a model of the SDK, which becomes a block."""


class LazyFrame:
    __module__ = "polars.lazyframe.frame"


async def asynchronous(row: dict[str, Any]) -> dict[str, Any]:
    return row


def name_of(case: Any) -> str:
    """Return the id of a case, which must be the same in every process of a run: without addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(case))[:60]


def output() -> XComArg:
    return XComArg(BaseOperator(task_id=f"upstream_{next(NUMBERS)}"))


READY: dict[str, Any] = dict.fromkeys(("rows", "prompt", "model", "max_tokens"))
MARK = {"cache_control": {"type": "ephemeral"}}
MARKED = {"type": "text", "text": "a", **MARK}

NEVER_RIGHT: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, r"^`model` is missing; give `model=`"),
    ({"max_tokens": None}, r"^`max_tokens` is missing; give `max_tokens=`"),
    ({"prompt": None}, r"^Of `prompt`, `request_builder` and `requests`, you gave none"),
    ({"prompt": None, "request_builder": asynchronous}, r"^`request_builder` must be a plain \(not async\) function"),
    ({"request_builder": dict}, r"you gave `prompt`, `request_builder`"),
    ({"prompt": "a\n{{ row.id }"}, r"^The prompt is not a valid Jinja template \(line 2: unexpected '}'"),
    ({"prompt": "{% if row.id %}"}, r"^The prompt is not a valid Jinja template"),
    ({"prompt": "{{ row.id | shout }}"}, r"No filter named 'shout'"),
    ({"prompt": " "}, r"^`prompt` is ' '; it must be text that is not empty"),
    ({"prompt": 5}, r"^`prompt` is 5; it must be text"),
    ({"rows": "data/rows.jsonl"}, r"^rows=: 'data/rows.jsonl' is not an absolute path"),
    ({"rows": "file://rows.jsonl"}, r"is not an absolute path"),
    ({"rows": "rows-*.jsonl"}, r"^rows=: 'rows-\*.jsonl' is not an absolute path"),
    ({"rows": 5}, r"^Rows cannot be read from a value of type int"),
    ({"rows": {"id": 1}}, r"^Rows cannot be read from a value of type dict"),
    ({"rows": LazyFrame()}, r"^Rows cannot be read from a LazyFrame itself. Give `table.collect\(\)`"),
    ({"destination": "out"}, r"^destination=: 'out' is not an absolute path"),
    ({"storage": "jobs"}, r"^storage=: 'jobs' is not an absolute path"),
    ({"max_tokens": "10"}, r"^`max_tokens` is '10'; it must be a whole number of 1 or more"),
    ({"max_tokens": 0}, r"^`max_tokens` is 0; it must be a whole number"),
    ({"max_tokens": True}, r"^`max_tokens` is True; it must be a whole number"),
    ({"model": " "}, r"^`model` is ' '; it must be the id of a model"),
    ({"model": 5}, r"^`model` is 5; it must be the id of a model"),
    ({"key": 1}, r"^`key` is 1; it must be a column name or a list"),
    ({"key": []}, r"^`key` names no column"),
    ({"key": "{{ params.key }}", "keep": 1}, r"^`keep` is 1; it must be a column name or a list"),
    ({"key": output()}, r"^`key` is .*; it must be a column name or a list"),
    ({"key": "text"}, r"^Your rows and the output both have columns named text"),
    ({"key": None, "keep": ["row_number"]}, r"^Your rows have a column row_number"),
    ({"column_prefix": 1}, r"^`column_prefix` is 1; it must be a string"),
    ({"message_params": {"stream": True}}, r"^`stream` is set; a batch cannot stream"),
    ({"message_params": {"messages": []}}, r"^`message_params` holds `messages`, but `prompt` makes the messages"),
    ({"message_params": {"messages": "{{ x }}"}}, r"^`message_params` holds `messages`"),
    ({"message_params": {"betas": ["a"]}}, r"^`betas` is not part of the params"),
    ({"message_params": {"model": "{{ x }}"}}, r"^`model` is given twice"),
    ({"message_params": {"max_tokens": "5"}, "max_tokens": None}, r"^`max_tokens` is '5'"),
    ({"message_params": "x"}, r"^`message_params` must be a dict of Messages params"),
    ({"message_params": [1]}, r"^`message_params` must be a dict of Messages params"),
    ({"message_params": {1: 2}}, r"^`message_params` must be a dict of Messages params"),
    ({"system": 5}, r"^`system` has type int; it must be text or a list"),
    ({"system": [{"text": "no type"}]}, r"^`system` has type list; it must be text or a list"),
    ({"betas": "files-api-2025-04-14"}, r"^betas= is the text 'files-api-2025-04-14'. Give a list"),
    ({"betas": [1]}, r"^betas= must be a list of values"),
    ({"max_failed_rows": "0.01"}, r"^max_failed_rows= must be a number or a share"),
    ({"max_failed_rows": 1.5}, r"^max_failed_rows= must be a number or a share"),
    ({"images": 5}, r"^`images` is 5; give the name of a column whose values are paths"),
    ({"images": [""]}, r"^`images` is \[''\]; give the name of a column"),
    ({"images": None}, r"^`images` is None; give the name of a column"),
    ({"documents": output()}, r"^`documents` is .*; give the name of a column"),
    ({"images": "{{ params.column }}"}, r"^`images` is '{{ params.column }}', but it is not templated"),
    (
        {"images": "s3://photos/*.jpg"},
        r"^`images` is 's3://photos/\*.jpg'; give the name of the column that holds such",
    ),
    ({"images": ["a", "b"], "documents": "a"}, r"^`images` and `documents` name the column 'a' twice"),
    ({"prompt": None, "request_builder": dict, "documents": "a"}, r"^`documents` goes with `prompt` alone"),
    ({"prompt": None, "rows": None, "requests": [], "images": "a"}, r"^`images` goes with `prompt` alone"),
    ({"prompt": None, "rows": None, "requests": []}, r"^Ready `requests` are sent as they are: put `model`"),
    ({"prompt_cache": "2h", "system": "a"}, r"^prompt_cache= must be \"1h\" or \"5m\", not '2h'\. For no prompt cache"),
    ({"prompt_cache": True, "system": "a"}, r"^prompt_cache= must be"),
    ({"prompt_cache": "{{ params.ttl }}", "system": "a"}, r"^prompt_cache= must be"),
    ({"prompt_cache": "1h"}, r"^`prompt_cache` has nothing to cache: rows can share `shared_context`, `system` and"),
    ({"prompt_cache": "1h", "system": "", "message_params": {"tools": []}}, r"^`prompt_cache` has nothing to cache"),
    ({"prompt_cache": "5m", "system": NotGiven()}, r"^`prompt_cache` has nothing to cache"),
    (
        {"prompt_cache": "5m", "system": "a", "message_params": {"cache_control": MARK["cache_control"]}},
        r"^`cache_control` in `message_params` and `prompt_cache` both mark",
    ),
    (
        {"prompt_cache": "1h", "prompt": None, "request_builder": dict, "message_params": {**MARK}},
        r"^`cache_control` in `message_params` and `prompt_cache` both mark",
    ),
    (
        {"prompt_cache": "1h", "system": [MARKED] * 3, "message_params": {"tools": [MARKED] * 2}},
        r"^`system` and `tools` have 5 cache breakpoints \(`cache_control`\) of their own\. The API takes at most 4:",
    ),
    (
        {"prompt_cache": "1h", "system": "a", "message_params": {"tools": [MARKED] * 4}},
        r"have 4 cache .* of their own, and `prompt_cache` adds one\. The API takes at most 4: remove 1 of them",
    ),
    ({"prompt_cache": "1h", "system": [MARKED] * 4, "shared_context": "A guide."}, r"have 4 cache .* adds one"),
    ({"shared_context": "guide.pdf"}, r"^shared_context= is 'guide\.pdf', which looks like the name of a file"),
    ({"shared_context": ["{{ x }}", 5]}, r"^shared_context= has type int"),
    (
        {**READY, "requests": [], "shared_context": "A guide."},
        r"^`shared_context` goes with `prompt` and `request_builder`\. Ready `requests` are sent as they are: put",
    ),
    (
        {"prompt": None, "rows": None, "model": None, "max_tokens": None, "requests": "requests.jsonl"},
        r"^requests=: 'requests.jsonl' is not an absolute path",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), NEVER_RIGHT, ids=name_of)
def test_what_can_never_be_right_fails_the_import_of_the_dag(arguments: dict[str, Any], message: str) -> None:
    with DAG("d"), pytest.raises(ConfigurationError, match=message):
        MessageBatchOperator(task_id="t", **{**ASKED, **arguments})


@pytest.mark.parametrize(("arguments", "message"), NEVER_RIGHT[:4], ids=name_of)
def test_the_submit_operator_and_the_decorator_check_the_same(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MessageBatchSubmitOperator(task_id="t", **{**ASKED, **arguments})
    given = {name: value for name, value in {**ASKED, **arguments}.items() if name != "rows"}

    def no_rows() -> list[dict[str, Any]]:
        return []

    rows = task.message_batch(**given)(no_rows)
    with DAG("d"), pytest.raises(ConfigurationError, match=message):
        rows()


MAY_BE_RIGHT: list[dict[str, Any]] = [
    {"model": "{{ params.model }}"},
    {"model": output()},
    {"max_tokens": "{{ params.max_tokens }}"},
    {"max_tokens": output()},
    {"max_tokens": None, "message_params": {"max_tokens": "{{ params.max_tokens }}"}},
    {"max_tokens": None, "model": None, "message_params": {"max_tokens": 5, "model": "m"}},
    {"max_tokens": None, "model": None, "message_params": "{{ params.message_params }}"},
    {"max_tokens": None, "model": None, "message_params": output()},
    {"model": output(), "message_params": {"model": "m"}},
    {"message_params": {"stream": "{{ params.stream }}", "temperature": NotGiven(), "betas_of_mine": []}},
    {"message_params": {"stream": NotGiven()}},
    {"system": NotGiven()},
    {"system": "{{ x }}"},
    {"system": output()},
    {"system": [output()]},
    {"system": [Block()]},
    {"system": [{"type": "text", "text": "{{ x }}"}]},
    {"system": "system.j2"},
    {"rows": "{{ params.rows }}"},
    {"rows": "rows-{{ ds }}.jsonl"},
    {"rows": "rows.j2"},
    {"rows": "s3://conn@bucket/rows.jsonl"},
    {"rows": Path("/data/rows.jsonl")},
    {"rows": list},
    {"rows": iter([{"id": 1}])},
    {"rows": output()},
    {"destination": "{{ params.folder }}"},
    {"destination": output()},
    {"destination": "xcom"},
    {"storage": ""},
    {"storage": "{{ params.storage }}"},
    {"prompt": "prompts/no_such_file.j2"},
    {"prompt": "{% raw %}{{{% endraw %}"},
    {"prompt": "{% do row.items() %}{{ row.id | tojson }}{{ ds | ds_nodash }}"},
    {"betas": "{{ params.betas }}"},
    {"betas": ["{{ params.beta }}", "a"]},
    {"betas": output()},
    {"max_failed_rows": "{{ params.share }}"},
    {"max_failed_rows": output()},
    {"request_builder": functools.partial(dict), "prompt": None, "model": None, "max_tokens": None},
    {"request_builder": dict, "prompt": None, "message_params": {"messages": []}},
    {"requests": output(), "rows": None, "prompt": None, "model": output(), "max_tokens": None},
    {"prompt_cache": "1h", "system": "a"},
    {"prompt_cache": "1h", "system": "{{ x }}"},
    {"prompt_cache": "1h", "system": output()},
    {"prompt_cache": "1h", "system": [Block()]},
    {"prompt_cache": "5m", "message_params": {"tools": [{"name": "a"}]}},
    {"prompt_cache": "5m", "message_params": {"tools": output()}},
    {"prompt_cache": "5m", "message_params": "{{ params.message_params }}"},
    {"prompt_cache": "5m", "system": "a", "message_params": {"cache_control": NotGiven()}},
    {"prompt_cache": "1h", "system": [MARKED] * 4},
    {"prompt_cache": "1h", "system": [MARKED] * 3, "shared_context": "A guide."},
    {"prompt_cache": "1h", "shared_context": output()},
    {"prompt_cache": "1h", "prompt": None, "request_builder": dict},
    {**READY, "prompt_cache": "1h", "requests": output()},
    {"prompt": None, "request_builder": dict, "shared_context": "A guide."},
    {"shared_context": Path("/data/guide.pdf")},
    {"shared_context": ["A guide.", "s3://c@lake/{{ ds }}.md", "guide.md", "{{ params.guide }}.pdf", "guide.j2"]},
    {"shared_context": [output(), "A guide."]},
]


@pytest.mark.parametrize("arguments", MAY_BE_RIGHT, ids=name_of)
def test_what_only_a_run_knows_is_left_to_the_run(arguments: dict[str, Any]) -> None:
    with DAG("d"):
        MessageBatchOperator(task_id="t", **{**ASKED, **arguments})


def test_the_syntax_of_a_prompt_is_that_of_its_dag() -> None:
    asked = {**ASKED, "prompt": "[[ row.id | shout ]]{% break %} {{ }"}
    loops = {"variable_start_string": "[[", "variable_end_string": "]]"}
    with DAG("d", jinja_environment_kwargs=loops, user_defined_filters={"shout": str.upper}):
        with pytest.raises(ConfigurationError, match="unknown tag 'break'"):
            MessageBatchOperator(task_id="t", **asked)
        MessageBatchOperator(task_id="u", **{**asked, "prompt": "[[ row.id | shout ]] {{ }", "rows": "[[ params.x ]]"})
    MessageBatchOperator(task_id="in_no_dag", **{**ASKED, "prompt": "{{ row.id | shout }}"})


def test_a_dag_may_have_parameters_of_the_names_of_messages_params() -> None:
    with DAG("d", params={"max_tokens": 5}):
        MessageBatchOperator(task_id="t", **{**ASKED, "max_tokens": "{{ params.max_tokens }}"})
        with pytest.raises(ConfigurationError, match=r"^`params` is Airflow's own argument, and top_k in it"):
            MessageBatchOperator(task_id="u", **ASKED, params={"top_k": 5})


def test_a_mapped_task_is_checked_by_its_run() -> None:
    wrong = {"prompt": "{{ row.id }}", "model": "m", "key": 1, "max_tokens": "x"}
    with DAG("d"):
        mapped = MessageBatchOperator.partial(task_id="t", **wrong).expand(rows=[[{"id": 1}]])

        @task_group
        def group(tokens: int) -> None:
            MessageBatchOperator(task_id="grouped", **{**ASKED, "max_tokens": tokens})

        group.expand(tokens=[1, 2])
    operator: Any = mapped.unmap({"rows": [{"id": 1}]})
    assert operator.key == 1


OPERATORS = [MessageBatchResultsOperator, MessageBatchSensor, MessageBatchCancelOperator]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"job": JOB, "batch_ids": ["msgbatch_1"]}, r"^job= and batch_ids= are both given"),
        ({"batch_ids": "None"}, r"holds 'None', which is not the id"),
        ({"batch_ids": ["msgbatch_1", 5]}, r"holds 5, which is not the id"),
        ({"job": "job-0001"}, r"^job= is 'job-0001', which names no job"),
        ({"job": 5}, r"^job= is 5, which names no job"),
    ],
    ids=str,
)
def test_references_that_name_nothing_fail_the_import(operator: Any, named: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        operator(task_id="t", **named)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    "named",
    [
        {"job": JOB},
        {"job": {"job": JOB, "batch_ids": ["msgbatch_1"]}},
        {"job": "{{ params.job }}"},
        {"job": LATER},
        {"job": LATER, "batch_ids": None},
        {"batch_ids": "{{ params.batch_ids }}"},
        {"batch_ids": ["{{ params.batch_id }}", "msgbatch_1"]},
        {"batch_ids": LATER},
        {"job": LATER, "batch_ids": LATER},
    ],
    ids=str,
)
def test_references_that_only_a_run_knows_are_left_to_the_run(operator: Any, named: dict[str, Any]) -> None:
    operator(task_id="t", **named)


def test_several_jobs_are_taken_where_a_list_is() -> None:
    MessageBatchSensor(task_id="t", job=[JOB, LATER, [JOB]])
    MessageBatchCancelOperator(task_id="t", job=[JOB])
    with pytest.raises(ConfigurationError, match="which names no job"):
        MessageBatchResultsOperator(task_id="t", job=[JOB])
    with pytest.raises(ConfigurationError, match="which names no job"):
        MessageBatchSensor(task_id="t", job=[JOB, "x"])


@pytest.mark.parametrize("nothing", [{}, {"job": []}, {"job": None, "batch_ids": ""}], ids=str)
def test_a_cancellation_may_have_nothing_to_do(nothing: dict[str, Any]) -> None:
    MessageBatchCancelOperator(task_id="t", **nothing)


@pytest.mark.parametrize("operator", [MessageBatchResultsOperator, MessageBatchSensor])
def test_the_others_need_a_job_or_batches(operator: Any) -> None:
    with pytest.raises(ConfigurationError, match="both given or both missing"):
        operator(task_id="t")


def test_the_results_operator_checks_where_it_writes_and_how_many_rows_may_fail() -> None:
    with pytest.raises(ConfigurationError, match=r"^destination=: 'out' is not an absolute path"):
        MessageBatchResultsOperator(task_id="t", job=JOB, destination="out")
    with pytest.raises(ConfigurationError, match=r"^max_failed_rows= must be"):
        MessageBatchResultsOperator(task_id="t", job=JOB, max_failed_rows="5")
    MessageBatchResultsOperator(task_id="t", job=JOB, destination="{{ x }}", max_failed_rows="{{ y }}")


@pytest.mark.parametrize("batch_ids", [["msgbatch_1"], "{{ params.batch_ids }}"])
def test_dead_letters_need_a_job_because_requests_of_others_are_not_known(batch_ids: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^dead_letters=True needs job="):
        MessageBatchResultsOperator(task_id="t", batch_ids=batch_ids, dead_letters=True)
    MessageBatchResultsOperator(task_id="t", batch_ids=batch_ids)
    MessageBatchResultsOperator(task_id="t", job=JOB, dead_letters=True)
