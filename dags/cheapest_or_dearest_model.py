"""Classify 50,000 messages by the cheapest and by the dearest model, and compare their bills and their answers.

One mapped task asks each model in a job of its own. ``compare`` reads both outputs side by side, as streams, and logs a
table: what each model cost, and how often the two agree. If they agree nearly always, the cheapest will do.

``messages`` stands for your own source, such as ``rows="s3://lake/messages/{{ ds }}/*.jsonl"``. Try some hundreds of
your rows first: the share of agreement needs no more, and the dearest model costs a hundred times the cheapest.

Needs the extra ``[money]``, which has the prices, and the connection ``anthropic_default``. With the simulator behind
it, it costs nothing. All its models count tokens alike and answer alike, so there the agreement says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice, product
from typing import Any, Literal

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

log = logging.getLogger(__name__)

MODELS = ["claude-haiku-5-5", "claude-fable-5-1"]  # of those that anyone may use, by their prices on 2026-11-29
KINDS = ["red", "large", "cheap", "new", "used"]
THINGS = ["kettle", "lamp", "fan", "clock", "radio", "scale", "iron", "heater", "mixer", "toaster"]
EVENTS = [
    "has not arrived", "broke", "is the wrong one", "was charged twice", "is great", "has no manual", "leaks",
    "cannot be paid for", "came late", "hums",
]  # fmt: skip
TIMES = ["today", "yesterday", "on Monday", "last week", "in May", "at Easter", "again", "at once", "at night", "twice"]
WISHES = [
    "Please call me.", "I want my money back.", "Thank you!", "Where is my invoice?", "Delete my account.",
    "Send another.", "Whom can I ask?", "My address has changed.", "Close the case.", "Is that normal?",
]  # fmt: skip


class Message(BaseModel):
    """What is asked about each message."""

    topic: Literal["payment", "delivery", "product", "account", "praise"]


def messages(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the messages; the same rows each time."""
    texts = islice(product(WISHES, TIMES, KINDS, EVENTS, THINGS), params["messages"])
    for number, (wish, time, kind, event, thing) in enumerate(texts):
        yield {"message_id": number, "text": f"The {kind} {thing} {event} {time}. {wish}"}


def agreement(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Return for which share of the rows two jobs have the same answer; both have the same rows in the same order."""
    pairs = zip(read_rows(first), read_rows(second), strict=True)
    same: int = sum(one["parsed"] == other["parsed"] is not None for one, other in pairs)
    return same / int(first["counts"]["rows"])


def cost_of(manifest: dict[str, Any]) -> str:
    """Return what a job cost in dollars, to the last digit."""
    if manifest["cost"] is None:
        raise AirflowFailException("The prices are missing: install airflow-provider-anthropic-batches[money].")
    return f"{'at least ' if manifest['cost']['at_least'] else ''}{manifest['cost']['cost_usd']}"


with DAG(
    "cheapest_or_dearest_model",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "messages": Param(50_000, type="integer", minimum=1, maximum=50_000, description="How many to classify"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    classify = MessageBatchOperator.partial(
        task_id="classify",
        rows=messages,
        key="message_id",
        prompt="Which topic is this message about?\n\n{{ row.text }}",
        output_schema=Message,
        max_tokens=100,
        destination="{{ params.output }}/cheapest_or_dearest_model/{{ run_id }}",
        max_failed_rows=0.01,
    ).expand(model=MODELS)

    @task
    def compare(manifests: list[dict[str, Any]]) -> dict[str, Any]:
        """Log what each model cost, and how often they agree."""
        costs, same = dict(zip(MODELS, map(cost_of, manifests), strict=True)), agreement(*manifests)
        for line in ("| model | cost in $ |", "|---|---:|", *(f"| {model} | {costs[model]} |" for model in MODELS)):
            log.info("%s", line)
        log.info("They give the same answer about %.1f%% of the messages.", 100 * same)
        return {"cost_usd": costs, "agreement": same}

    compare(classify.output)
