"""apache-airflow-providers-common-ai: one operator submits, waits and writes the rows."""

from __future__ import annotations

from airflow.providers.common.ai.operators.llm_batch import LLMBatchOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG

from benchmarks.dags.questions import MAX_TOKENS, MODEL, OUTPUT, QUESTIONS, TASK_ARGUMENTS

with DAG("common_ai", schedule=None, default_args=TASK_ARGUMENTS) as dag:
    LLMBatchOperator(
        task_id="submit",
        requests=QUESTIONS,
        result_path=f"file://{OUTPUT}",
        llm_conn_id="pydanticai_default",
        model_id=f"anthropic:{MODEL}",
        max_tokens=MAX_TOKENS,
        poll_interval=30,  # the lowest value it accepts
    )
