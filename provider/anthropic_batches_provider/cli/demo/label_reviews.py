"""Labels product reviews with Claude: one task submits, waits and collects. Run it: ``python label_reviews.py``."""

import sys
from pathlib import Path

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator

OUTPUT = Path(__file__).parents[2] / "output"

REVIEWS = [
    {"review_id": 1, "language": "en", "text": "Arrived in two days, works as described."},
    {"review_id": 2, "language": "de", "text": "Nach einer Woche kaputt. Geld zurück!"},
    {"review_id": 3, "language": "en", "text": "It is a kettle. It boils water."},
    {"review_id": 4, "language": "fr", "text": "Très déçue : le couvercle ne ferme pas."},
    {"review_id": 5, "language": "es", "text": "Lo uso todos los días y sigue como nuevo."},
    {"review_id": 6, "language": "en", "text": "Louder than my neighbour's drum kit."},
]
LABEL = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["positive", "neutral", "negative"]}},
    "required": ["label"],
    "additionalProperties": False,
}

with DAG("label_reviews", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(
        task_id="label",
        rows=REVIEWS,
        key="review_id",
        keep=["language"],
        model="claude-haiku-5-5",
        system="You label product reviews.",
        prompt="Label this review:\n\n{{ row.text }}",
        max_tokens=50,
        message_params={"output_config": {"format": {"type": "json_schema", "schema": LABEL}}},
        destination=f"file://{OUTPUT}/{{{{ run_id }}}}",
        poll_interval=5,
    )

if __name__ == "__main__":
    sys.exit(dag.test().state != "success")
