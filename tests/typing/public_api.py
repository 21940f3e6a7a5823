"""What a type checker sees of the public interface. Nothing here is run: ``make lint`` checks it.

``assert_type`` holds what users get; an ignore holds what they may not write, since an unused ignore is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, assert_type

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.errors import (
    ApiStatusError,
    ConfigurationError,
    InvalidRowError,
    MessageBatchesError,
    RateLimitedError,
)
from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchEstimateOperator,
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.sources import files, read_rows
from anthropic_batches_provider.triggers import MessageBatchTrigger


def rows() -> Iterator[dict[str, Any]]:
    yield {"id": 1}


def operators() -> None:
    MessageBatchOperator(task_id="a", rows=rows, prompt="{{ row.id }}", model="m", max_tokens=1, max_failed_rows=0.5)
    MessageBatchOperator(task_id="b", rows=[{"id": 1}], key=["id"], request_builder=lambda row: row, timeout=60)
    MessageBatchOperator(
        task_id="pictures",
        rows=files("/photos/*.jpg", format="whole"),
        prompt="What is this?",
        images="path",
        documents=["terms"],
    )
    MessageBatchOperator(
        task_id="templates",
        rows=rows,
        prompt="{{ row.id }}",
        max_tokens="{{ params.max_tokens }}",
        message_params={"temperature": "{{ params.temperature }}"},
        betas="{{ params.betas }}",
        max_failed_rows="{{ params.share }}",
    )
    MessageBatchOperator(
        task_id="cached",
        rows=rows,
        prompt="{{ row.id }}",
        shared_context=["Answer by this guide.", Path("/data/guide.pdf"), "s3://lake/guide.md", "guide.md"],
        prompt_cache="1h",
    )
    MessageBatchSubmitOperator(task_id="cached_too", rows=rows, shared_context="guide.md", prompt_cache="5m", pilot=0)
    MessageBatchResultsOperator(task_id="share", batch_ids="msgbatch_1", max_failed_rows="{{ params.share }}")
    submit = MessageBatchSubmitOperator(
        task_id="c", requests="/data/requests.jsonl", poll_interval=timedelta(minutes=1)
    )
    MessageBatchSensor(task_id="d", job=submit.output, on_timeout="cancel")
    MessageBatchSensor(task_id="e", batch_ids="msgbatch_1", timeout=timedelta(hours=1))
    MessageBatchResultsOperator(task_id="f", job=submit.output, destination="s3://a/b", output_format="jsonl.gz")
    MessageBatchCancelOperator(task_id="g", job=submit.output)


def estimates() -> None:
    asked: dict[str, Any] = {"rows": rows, "prompt": "{{ row.id }}", "model": "m", "max_tokens": 1}
    MessageBatchEstimateOperator(task_id="a", **asked, output_share=0.25, sample_rows=200)
    MessageBatchEstimateOperator(task_id="b", rows=rows, dates={"from": "2026-01-01", "to": "2026-01-31"})
    MessageBatchEstimateOperator(task_id="c", rows=rows, dates=[date(2026, 1, 1), "2026-01-02"], prompt_cache="1h")
    earlier = MessageBatchSubmitOperator(task_id="d", rows=rows)
    MessageBatchEstimateOperator(
        task_id="e", rows=rows, earlier_job=earlier.output, prices={"m": {"input": "4", "output": 20}}
    )


def outputs() -> None:
    table = SqlTable("warehouse", "analytics.labels_{{ ds_nodash }}", create=True, owner_column="unit")
    assert_type(table, SqlTable)
    MessageBatchOperator(
        task_id="table", rows=rows, destination=table, columns={"parsed": "", "text": "answer", "usage": None}
    )
    MessageBatchOperator(task_id="names", rows=rows, columns=["text", "verdict"], output_format="csv")
    MessageBatchOperator(task_id="no_names", rows=rows, columns=(), dead_letters=True, output_format="parquet")
    MessageBatchResultsOperator(task_id="table_of_job", job="/jobs/a", destination=table, columns=("text",))
    contract = {"claude-opus-5-5": {"input": "3.6", "output": 18, "above": {100_000: {"input": 4, "output": 20}}}}
    MessageBatchOperator(task_id="priced", rows=rows, prices=contract)
    MessageBatchResultsOperator(task_id="priced_too", job="/jobs/a", prices=contract)
    MessageBatchResultsOperator(task_id="renamed", job="/jobs/a", columns={"text": "answer"}, dead_letters=True)
    assert_type(read_rows({"table": {}}), Iterator[dict[str, Any]])
    assert_type(read_rows([{"id": 1}]), Iterator[dict[str, Any]])


def what_is_refused() -> None:
    MessageBatchOperator(task_id="a", rows=rows, on_timeout="stop")  # type: ignore[arg-type]
    MessageBatchOperator(task_id="a", rows=rows, columns={"text": 1})  # type: ignore[dict-item]
    MessageBatchOperator(task_id="a", rows=rows, columns={"text"})  # type: ignore[arg-type]
    MessageBatchOperator(task_id="a", rows=rows, prices={"claude-opus-5-5": 4})  # type: ignore[dict-item]
    MessageBatchResultsOperator(task_id="a", columns=[1])  # type: ignore[list-item]
    MessageBatchResultsOperator(task_id="a", destination=1)  # type: ignore[arg-type]
    SqlTable("warehouse", "labels", create="yes")  # type: ignore[arg-type]
    MessageBatchSubmitOperator(task_id="a", rows=rows, on_kill="stop")  # type: ignore[arg-type]
    MessageBatchSubmitOperator(task_id="a", rows=rows, max_tokens=1.5)  # type: ignore[arg-type]
    MessageBatchSubmitOperator(task_id="a", rows=rows, betas=1)  # type: ignore[arg-type]
    MessageBatchSubmitOperator(task_id="a", rows=rows, prompt_cache="2h")  # type: ignore[arg-type]
    MessageBatchSubmitOperator(task_id="a", rows=rows, on_empty="ignore")  # type: ignore[arg-type]
    MessageBatchEstimateOperator(task_id="a", rows=rows, output_share="0.5")  # type: ignore[arg-type]
    MessageBatchEstimateOperator(task_id="a", rows=rows, sample_rows=1.5)  # type: ignore[arg-type]
    MessageBatchSensor(task_id="a", batch_ids="b", on_timeout="stop")  # type: ignore[arg-type]
    MessageBatchTrigger(batch_ids=["b"], conn_id="c", poll_interval="60")  # type: ignore[arg-type]


def hook(hook: MessageBatchHook) -> None:
    assert_type(hook.create_batch([{"custom_id": "a", "params": {}}]), MessageBatch)
    assert_type(hook.retrieve_batch("b"), MessageBatch)
    assert_type(hook.wait_for_batch("b", timeout=timedelta(hours=1), poll_interval=30), MessageBatch)
    assert_type(hook.list_batches(limit=1), Iterator[MessageBatch])
    assert_type(hook.iter_results("b"), Iterator[dict[str, Any]])
    assert_type(hook.count_tokens({}), int)
    assert_type(hook.retrieve_batch("b").request_counts.succeeded, int)


async def asynchronous_hook(hook: MessageBatchHook) -> None:
    assert_type(await hook.aretrieve_batch("b"), MessageBatch)
    assert_type(await hook.await_for_batch("b", timeout=60), MessageBatch)
    assert_type(await hook.alist_batches(), list[MessageBatch])


def rows_of_an_earlier_task(ti: Any) -> Iterator[dict[str, Any]]:
    assert_type(read_rows("s3://lake/labels/dt=2026-11-21"), Iterator[dict[str, Any]])
    assert_type(read_rows([{"review_id": 1}]), Iterator[dict[str, Any]])
    assert_type(read_rows({"version": 1, "parts": []}), Iterator[dict[str, Any]])
    return read_rows(ti.xcom_pull("classify"))


def chained() -> None:
    MessageBatchOperator(task_id="c", rows=rows_of_an_earlier_task, prompt="{{ row.text }}", model="m", max_tokens=1)


def errors(error: MessageBatchesError) -> None:
    if isinstance(error, RateLimitedError):
        assert_type(error.retry_after_seconds, float | None)
    if isinstance(error, ApiStatusError):
        assert_type(error.status, int)
    refused: ConfigurationError = InvalidRowError("a", row_number=0)
    raise refused


def fixture(message_batch_simulator: MessageBatchSimulator) -> None:
    assert_type(message_batch_simulator.control.billing().rows_billed, int)
    assert_type(message_batch_simulator.airflow_connection_json, str)
