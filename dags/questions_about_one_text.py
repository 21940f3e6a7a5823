"""Ask 120 questions about one long text: President Roosevelt's address of 1907, 40,000 tokens.

The file is ``shared_context``: it is read once, and stands before each question. With ``prompt_cache="1h"`` the first
question that is answered writes it to the prompt cache, and the others read it there. The content of the file counts:
a copy of it under another name is the same question, and pays nothing again.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing; with a real key, the 120
questions cost about 4 cents if all but the first read the cache, and about 25 cents without ``prompt_cache``.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator

ADDRESS = Path(__file__).parent / "data" / "addresses" / "1907-theodore-roosevelt.txt"
SUBJECTS = [
    "corporations", "railroads", "the antitrust law", "currency and banks", "the tariff", "an income tax",
    "an inheritance tax", "enforcement of the law", "injunctions", "accidents at work", "the eight-hour law",
    "women and children who work", "industrial disputes", "farmers", "inland waterways", "irrigation", "public lands",
    "forests", "mineral fuels", "the Panama Canal", "the post office", "Alaska", "campaign money", "the ocean mail",
    "the Army", "the Navy", "the Hague Conference", "Cuba", "Japan", "Mexico",
]  # fmt: skip
QUESTIONS = [
    "What does the President ask Congress to do about {subject}?",
    "Which reasons does the President give when he speaks of {subject}?",
    "Which figures and dates does the President name for {subject}?",
    "Whom does the President praise or blame when he speaks of {subject}?",
]
ROWS = [
    {"number": number, "subject": subject, "question": question.format(subject=subject)}
    for number, (subject, question) in enumerate(product(SUBJECTS, QUESTIONS))
]

with DAG(
    "questions_about_one_text",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "text": Param(str(ADDRESS), type="string", description="Path or URI of the text"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    MessageBatchOperator(
        task_id="ask",
        rows=ROWS,
        key="number",
        keep=["subject", "question"],
        model="claude-haiku-5-5",
        system="You answer from the text alone, and say so if it does not answer.",
        shared_context="{{ params.text }}",
        prompt_cache="1h",
        prompt="{{ row.question }} Answer in two sentences.",
        max_tokens=200,
        destination="{{ params.output }}/questions_about_one_text/{{ run_id }}",
        max_failed_rows=0.01,
    )
