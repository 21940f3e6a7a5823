"""Estimates of each kind of task; none of them may spend, or leave anything in the storage."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchEstimateOperator

PRICES = {"claude-haiku-5-5": {"input": "0.1", "output": "0.5", "above": {}}}  # also without genai-prices
UNBOUND: dict[str, Any] = {"key": "id", "prompt": "Say {{ row.id }}", "model": "claude-haiku-5-5", "prices": PRICES}
ASKED: dict[str, Any] = {**UNBOUND, "max_tokens": 100}
GUIDE = "Say what is asked, and nothing else. " * 2_000
NUMBERS = [{"id": number} for number in range(20)]


@task
def found_rows() -> list[dict[str, Any]]:
    return [{"id": 1}, {"id": "{{ ds }}"}]


@task
def file_names() -> list[str]:
    return ["/nowhere/{{ ds }}.jsonl"]


def rows_of_the_day(ds: str) -> list[dict[str, Any]]:
    """Return as many rows as the day's number in its month."""
    return [{"id": f"{ds} {number}"} for number in range(int(ds[-2:]))]


def rows_of_odd_days(ds: str) -> list[dict[str, Any]]:
    return NUMBERS if int(ds[-2:]) % 2 else []


with DAG(
    "estimates",
    schedule="@daily",
    catchup=False,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param(""), "dates": Param(["2026-01-03", "2026-01-05"])},
) as dag:
    MessageBatchEstimateOperator(task_id="plain", rows=NUMBERS, **ASKED)
    MessageBatchEstimateOperator(task_id="share", rows=NUMBERS, output_share=0.1, **ASKED)
    MessageBatchEstimateOperator(task_id="of_a_task", rows=found_rows(), dates=["2026-01-03"], **ASKED)
    MessageBatchEstimateOperator.partial(task_id="mapped", rows=NUMBERS, **UNBOUND).expand(max_tokens=[100, 200])
    MessageBatchEstimateOperator(
        task_id="a_week", rows=rows_of_the_day, dates={"from": "2026-01-01", "to": "2026-01-07"}, **ASKED
    )
    MessageBatchEstimateOperator(
        task_id="by_day",
        rows=NUMBERS,
        max_tokens="{{ logical_date.day }}",
        message_params={"metadata": {"user_id": "{{ ds }}"}},
        dates={"from": "2026-01-01", "to": "2026-01-03"},
        **UNBOUND,
    )
    MessageBatchEstimateOperator(
        task_id="files", rows="{{ params.folder }}/{{ ds }}.jsonl", dates="{{ params.dates }}", **ASKED
    )
    MessageBatchEstimateOperator.partial(task_id="mapped_files", dates=["2026-01-03"], **ASKED).expand(
        rows=file_names()
    )
    MessageBatchEstimateOperator(task_id="with_guide", rows=NUMBERS, shared_context=GUIDE, **ASKED)
    MessageBatchEstimateOperator(task_id="cached", rows=NUMBERS, shared_context=GUIDE, prompt_cache="1h", **ASKED)
    MessageBatchEstimateOperator(task_id="empty", rows=[], on_empty="skip", **ASKED)
    MessageBatchEstimateOperator(task_id="empty_day", rows=rows_of_odd_days, dates="2026-01-01, 2026-01-02", **ASKED)
    MessageBatchEstimateOperator(
        task_id="skipped_day", rows=rows_of_odd_days, dates="2026-01-01, 2026-01-02", on_empty="skip", **ASKED
    )
    MessageBatchEstimateOperator(task_id="no_rows", rows=[], **ASKED)
    MessageBatchEstimateOperator(task_id="unknown", rows=NUMBERS, **{**ASKED, "model": "claude-haiku-55"})
    MessageBatchEstimateOperator(task_id="invalid", rows=[{"id": None}, *NUMBERS], **ASKED)
    MessageBatchEstimateOperator(task_id="some_invalid", rows=[{"id": None}, *NUMBERS], max_failed_rows=1, **ASKED)
    MessageBatchEstimateOperator(task_id="public", rows=NUMBERS, **{**ASKED, "prices": None})
