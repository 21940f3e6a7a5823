"""This package: the submitting and the collecting operator."""

from __future__ import annotations

import json

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from benchmarks.programs.size_context import Arguments, context


def submit(arguments: Arguments) -> None:
    operator = MessageBatchSubmitOperator(
        task_id="submit", requests=arguments.requests.as_uri(), storage=(arguments.folder / "storage").as_uri()
    )
    arguments.reference.write_text(json.dumps(operator.execute(context())))


def collect(arguments: Arguments) -> None:
    job = json.loads(arguments.reference.read_text())
    operator = MessageBatchResultsOperator(task_id="results", job=job, destination=arguments.output.as_uri())
    operator.execute(context())


if __name__ == "__main__":
    called_with = Arguments.of_command_line()
    {"submit": submit, "collect": collect}[called_with.step](called_with)
