"""The operators: submit rows, collect results, cancel batches, or do all in one task. Thin layers on the engine."""

from __future__ import annotations

from anthropic_batches_provider.operators.cancel import MessageBatchCancelOperator
from anthropic_batches_provider.operators.one_task import MessageBatchOperator
from anthropic_batches_provider.operators.results import MessageBatchResultsOperator
from anthropic_batches_provider.operators.submit import MessageBatchSubmitOperator

__all__ = [
    "MessageBatchCancelOperator",
    "MessageBatchOperator",
    "MessageBatchResultsOperator",
    "MessageBatchSubmitOperator",
]
