"""Run one job without the prompt cache, with a cold one, and with one that is primed, and compare what each costs.

- ``without_cache`` sends the text with each question.
- ``cold_cache`` marks the text for the cache, and with ``pilot=0`` sends all questions at once. Each may pay for
  writing the text, because requests of one batch may not read each other's entry.
- ``primed_cache`` lets one question go first, which writes the text. The others read it.

``compare`` returns what the input of each job cost, in tokens of plain input: a token that is written for an hour
counts 2, a token that is read a tenth. ``system`` names job and run, so that no job reads what another has written.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing, and cold requests read
nothing (its setting ``cache_hit_rate`` says otherwise); with a real key, the three jobs cost about 20 cents.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator

TEXT = Path(__file__).parent / "data" / "addresses" / "trusts-1889-1914.txt"
YEARS = range(1889, 1915)
QUESTIONS = ["What was said of trusts in {year}?", "Which law was asked for in {year}?"]
JOBS: dict[str, dict[str, Any]] = {
    "without_cache": {},
    "cold_cache": {"prompt_cache": "1h", "pilot": 0},
    "primed_cache": {"prompt_cache": "1h"},
}
COSTS = {"input_tokens": 1.0, "cache_creation_1h_input_tokens": 2.0, "cache_read_input_tokens": 0.1}


def cost_of_input(manifest: dict[str, Any]) -> float:
    """Return what the input of a job cost, in tokens of plain input."""
    tokens: Counter[str] = sum(map(Counter, manifest["usage"].values()), Counter())
    return sum(tokens[name] * cost for name, cost in COSTS.items())


with DAG(
    "price_of_a_prompt_cache",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output")
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    jobs = [
        MessageBatchOperator(
            task_id=name,
            rows=[{"question": question.format(year=year)} for year in YEARS for question in QUESTIONS],
            key="question",
            model="claude-haiku-5-5",
            system=f"You answer in one sentence. (Job {name} of {{{{ run_id }}}})",
            shared_context=str(TEXT),
            prompt="{{ row.question }}",
            max_tokens=100,
            destination=f"{{{{ params.output }}}}/price_of_a_prompt_cache/{{{{ run_id }}}}/{name}",
            **how,
        )
        for name, how in JOBS.items()
    ]

    @task
    def compare(manifests: list[dict[str, Any]]) -> dict[str, float]:
        """Return what the input of each job cost."""
        return {name: cost_of_input(manifest) for name, manifest in zip(JOBS, manifests, strict=True)}

    compare([job.output for job in jobs])  # type: ignore[misc]
