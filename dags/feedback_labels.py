"""Label 5,000 pieces of customer feedback: sentiment, keywords and rating, checked against a pydantic model.

``Label`` is all that is said of the answers' form. Claude is asked for it, each answer is held against it, and the next
task gets its fields with their types. A rating of 6, or an answer cut at ``max_tokens``, counts as a failed row: the
column ``verdict`` says which, and up to 1 % may fail.

``feedbacks`` stands for your own source, such as ``rows="s3://lake/feedback/{{ ds }}/*.jsonl"``.

``bill`` says what the job cost, and what the same usage costs live, at the standard price. It needs the prices that
come with the extra ``[money]``; without them, it says so.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing. The parameter ``feedbacks``
sets another number.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

log = logging.getLogger(__name__)

PRODUCTS = ["kettle", "toaster", "blender", "lamp", "fan", "heater", "clock", "radio", "scale", "iron"]
FINDINGS = ["broke", "shines", "leaks", "hums", "works", "rattles", "smells odd", "heats well", "stopped", "is silent"]
TIMES = ["at once", "after a day", "in a week", "since May", "by now", "at night", "daily", "twice", "so far", "again"]
VIEWS = ["I want my money back.", "I would buy it again.", "It does its job.", "Support was kind.", "Never again!"]


class Label(BaseModel):
    """What is asked about each piece of feedback."""

    sentiment: Literal["positive", "negative", "mixed"]
    keywords: list[str] = Field(max_length=5, description="At most five, in lower case")
    rating: int = Field(ge=1, le=5, description="The stars that this customer would give")


def feedbacks(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the feedback to label; the same rows each time."""
    texts = islice(product(VIEWS, TIMES, FINDINGS, PRODUCTS), params["feedbacks"])
    for number, (view, time, finding, name) in enumerate(texts):
        yield {"feedback_id": number, "product": name, "text": f"The {name} {finding} {time}. {view}"}


def summary_of(answers: Iterable[Any]) -> dict[str, dict[str, int]]:
    """Count sentiments, ratings and the commonest keywords."""
    labels = [Label.model_validate(answer) for answer in answers]
    return {
        "sentiments": dict(Counter(label.sentiment for label in labels)),
        "ratings": dict(Counter(str(label.rating) for label in labels)),
        "keywords": dict(Counter(word for label in labels for word in label.keywords).most_common(10)),
    }


def bill_of(manifest: dict[str, Any]) -> str:
    """Say what a job cost; in full, to the last digit."""
    cost = manifest["cost"]
    if cost is None:
        return "What this job cost is not known: airflow-provider-anthropic-batches[money] is not installed."
    least = "at least " if cost["at_least"] else ""
    live = f"live {least}${cost['live_usd']} (the same usage at the standard price)"
    return f"This job cost {least}${cost['cost_usd']}; {live}."


with DAG(
    "feedback_labels",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "feedbacks": Param(5000, type="integer", minimum=1, maximum=5000, description="How many to label"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    label = MessageBatchOperator(
        task_id="label",
        rows=feedbacks,
        key="feedback_id",
        keep=["product"],
        model="claude-haiku-5-5",
        prompt="Label this feedback on a {{ row.product }}:\n\n{{ row.text }}",
        output_schema=Label,
        max_tokens=300,
        destination="{{ params.output }}/feedback_labels/{{ run_id }}",
        max_failed_rows=0.01,
    )

    @task
    def summarize(manifest: dict[str, Any]) -> dict[str, dict[str, int]]:
        """Count what the labels say; a real DAG would write them to a table."""
        return summary_of(row["parsed"] for row in read_rows(manifest) if row["verdict"] == "fits")

    @task
    def bill(manifest: dict[str, Any]) -> str:
        """Write into the log what the job cost."""
        log.info("%s", sentence := bill_of(manifest))
        return sentence

    summarize(label.output) >> bill(label.output)  # type: ignore[arg-type]
