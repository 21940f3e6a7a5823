"""Label 500,000 reviews in five batches or more, but only if an estimate says that they cost less than a limit.

- ``estimate`` takes the arguments of ``label``. It reads all rows as ``label`` would, counts the tokens of 50 of them
  with the API, and spends nothing. ``output_share`` says how much of ``max_tokens`` an answer is expected to use.
- ``is_affordable`` skips the rest if the high end of the interval is above the parameter ``most_usd``, or if a price is
  unknown.
- ``label`` sends the job through its window: no more than 200,000 requests are in flight at once.
- ``bill`` puts the cost beside the estimate.

``reviews`` stands for your own source, such as ``rows="s3://lake/reviews/{{ ds }}/*.jsonl"``.

Needs the extra ``[money]``, which has the prices, and the connection ``anthropic_default``. With the simulator behind
it, it costs nothing. With a real key, it costs some dollars, and the parameter ``reviews`` sets another number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchEstimateOperator, MessageBatchOperator

log = logging.getLogger(__name__)

PRODUCTS = ["kettle", "toaster", "blender", "lamp", "fan", "heater", "clock", "radio", "scale", "iron"]
SENTENCES = [
    "It came in two days, well packed.", "The first one was broken, and the second one is, too.", "I like the colour.",
    "It is louder than the one that I had before, which lasted for eleven years.", "Would buy again.", "No.",
    "The manual is in five languages, but none of them is mine.", "My daughter uses it each morning.", "Good value.",
    "Support wrote back within the hour and sent a new one without a question.", "It smells of plastic.",
]  # fmt: skip
MOST_SENTENCES = 6


class Review(BaseModel):
    """What is asked about each review."""

    sentiment: Literal["positive", "negative", "mixed"]


def reviews(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the reviews, short and long ones; the same rows each time."""
    for number in range(params["reviews"]):
        first, count = number * 7, 1 + number % MOST_SENTENCES
        text = " ".join(SENTENCES[(first + step) % len(SENTENCES)] for step in range(count))
        yield {"review_id": number, "product": PRODUCTS[number % len(PRODUCTS)], "text": text}


QUESTION: dict[str, Any] = {
    "rows": reviews,
    "key": "review_id",
    "model": "claude-haiku-5-5",
    "prompt": "How does this customer feel about the {{ row.product }}?\n\n{{ row.text }}",
    "output_schema": Review,
    "max_tokens": 32,
    "max_failed_rows": 0.01,
}

with DAG(
    "reviews_within_a_limit",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "reviews": Param(500_000, type="integer", minimum=1, maximum=10_000_000, description="How many to label"),
        "most_usd": Param(10, type="number", minimum=0, description="What the job may cost, in dollars"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    estimate = MessageBatchEstimateOperator(task_id="estimate", output_share=0.25, **QUESTION)

    @task.short_circuit
    def is_affordable(estimate: dict[str, Any], most_usd: str) -> bool:
        """Skip the job unless it costs no more than the limit, with a confidence of 95%."""
        return not estimate["at_least"] and Decimal(estimate["high_usd"]) <= Decimal(most_usd)

    label = MessageBatchOperator(
        task_id="label", destination="{{ params.output }}/reviews_within_a_limit/{{ run_id }}", **QUESTION
    )

    @task
    def bill(estimate: dict[str, Any], manifest: dict[str, Any]) -> dict[str, str]:
        """Log what the job cost, and what it was expected to cost."""
        cost, low, high = manifest["cost"]["cost_usd"], estimate["low_usd"], estimate["high_usd"]
        log.info("This job cost $%s; the estimate was $%s to $%s.", cost, low, high)
        return {"cost_usd": cost, "low_usd": low, "high_usd": high}

    is_affordable(estimate.output, "{{ params.most_usd }}") >> label  # type: ignore[arg-type]
    bill(estimate.output, label.output)  # type: ignore[arg-type]
