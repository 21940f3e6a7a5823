"""apache-airflow-providers-common-ai, whose ``request_params`` carry a system prompt with a mark for the cache."""

from __future__ import annotations

from airflow.providers.common.ai.operators.llm_batch import LLMBatchOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG

from benchmarks.dags.contracts import CONTRACTS, MARKED_CONTEXT, MAX_TOKENS, MODEL, OUTPUT, TASK_ARGUMENTS

with DAG("cache_common_ai", schedule=None, default_args=TASK_ARGUMENTS) as dag:
    LLMBatchOperator(
        task_id="submit",
        requests=CONTRACTS,
        request_params={"system": [MARKED_CONTEXT]},  # its own ``system_prompt`` is a text, which takes no mark
        result_path=f"file://{OUTPUT}",
        llm_conn_id="pydanticai_default",
        model_id=f"anthropic:{MODEL}",
        max_tokens=MAX_TOKENS,
        poll_interval=30,  # the lowest value it accepts
    )
