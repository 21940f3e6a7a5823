"""This package, in one task: without the prompt cache, with a cold one, or with a row that goes first."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator
from benchmarks.dags.contracts import CONTEXT, CONTRACTS, MAX_TOKENS, MODEL, OUTPUT, TASK_ARGUMENTS

_HOW: dict[str, dict[str, Any]] = {
    "none": {},
    "cold": {"prompt_cache": "1h", "pilot": 0},
    "primed": {"prompt_cache": "1h"},
}

with DAG("cache_ours", schedule=None, default_args=TASK_ARGUMENTS) as dag:
    MessageBatchOperator(
        task_id="submit",
        rows=[{"text": contract} for contract in CONTRACTS],
        shared_context=CONTEXT,
        prompt="{{ row.text }}",
        model=MODEL,
        max_tokens=MAX_TOKENS,
        destination=OUTPUT,
        poll_interval=1,
        **_HOW[os.environ["BENCHMARK_CACHE"]],
    )
