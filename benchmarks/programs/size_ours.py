"""This package: the operators that submit and collect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anthropic_batches_provider.batches.collection
import anthropic_batches_provider.batches.further_rounds  # noqa: F401 - operators import the engine as they run
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from benchmarks.programs.label_model import Label
from benchmarks.programs.size_arguments import Arguments, run
from benchmarks.programs.size_context import context

_NO_LIMIT = 1 << 40


def submit(arguments: Arguments) -> None:
    _submit(arguments, requests=arguments.input.as_uri())


def submit_rows(arguments: Arguments) -> None:
    """Submit rows of ``id`` and ``text`` with a prompt."""
    _submit_rows(arguments, keep=())


def submit_kept_prices(arguments: Arguments) -> None:
    """Submit rows of ``id``, ``price`` and ``text``, with the price in the output."""
    _submit_rows(arguments, keep=["price"])


def _submit_rows(arguments: Arguments, keep: Sequence[str]) -> None:
    _submit(
        arguments,
        rows=arguments.input.as_uri(),
        key="id",
        keep=keep,
        prompt="Label this passage:\n{{ row.text }}",
        model="claude-haiku-4-5",
        max_tokens=64,
    )


def submit_labels(arguments: Arguments) -> None:
    """Submit rows that ask for JSON, which nothing but its syntax is held against."""
    form = OutputSchema(Label.model_json_schema()).form.schema
    output_config = {"format": {"type": "json_schema", "schema": form}}
    _submit_labels(arguments, message_params={"output_config": output_config})


def submit_labels_by_schema(arguments: Arguments) -> None:
    """Submit rows whose answers must fit a JSON Schema."""
    _submit_labels(arguments, output_schema=Label.model_json_schema())


def submit_labels_by_model(arguments: Arguments) -> None:
    """Submit rows whose answers must fit a pydantic model."""
    _submit_labels(arguments, output_schema=Label)


def _submit_labels(arguments: Arguments, **form: Any) -> None:
    _submit(
        arguments,
        rows=arguments.input.as_uri(),
        key="id",
        prompt="Label this passage:\n{{ row.text }}",
        model="claude-haiku-4-5",
        max_tokens=512,
        **form,
    )


def _submit(arguments: Arguments, **source: Any) -> None:
    storage = (arguments.folder / "storage").as_uri()
    # Without a pilot, as the peers: all is sent in one go, and nothing waits.
    operator = MessageBatchSubmitOperator(task_id="submit", storage=storage, pilot=0, **source)
    arguments.reference.write_text(json.dumps(operator.execute(context(operator))))


def collect(arguments: Arguments) -> None:
    _collect(arguments, destination=arguments.output.as_uri())


def collect_gzip(arguments: Arguments) -> None:
    _collect(arguments, destination=arguments.output.as_uri(), output_format="jsonl.gz")


def collect_xcom(arguments: Arguments) -> None:
    """Collect all rows into memory, and leave a line for each of them."""
    rows = _collect(arguments, destination="xcom", xcom_max_bytes=_NO_LIMIT)
    arguments.output.mkdir()
    (arguments.output / "rows.jsonl").write_text("\n" * len(rows))


def _collect(arguments: Arguments, **destination: Any) -> Any:
    job = json.loads(arguments.reference.read_text())
    operator = MessageBatchResultsOperator(task_id="results", job=job, **destination)
    return operator.execute(context(operator))


if __name__ == "__main__":
    with MessageBatchHook().client():  # the first client imports the SDK
        pass
    run(
        {
            "submit": submit,
            "submit_rows": submit_rows,
            "submit_prices": submit_rows,
            "submit_kept_prices": submit_kept_prices,
            "submit_labels": submit_labels,
            "submit_labels_by_schema": submit_labels_by_schema,
            "submit_labels_by_model": submit_labels_by_model,
            "collect": collect,
            "collect_gzip": collect_gzip,
            "collect_xcom": collect_xcom,
        }
    )
