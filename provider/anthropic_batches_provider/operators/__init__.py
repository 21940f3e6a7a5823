"""The operators: estimate, submit rows, collect results, cancel batches, or do all in one task; thin layers."""

from __future__ import annotations

from anthropic_batches_provider.operators.cancel import MessageBatchCancelOperator
from anthropic_batches_provider.operators.estimate import MessageBatchEstimateOperator
from anthropic_batches_provider.operators.one_task import MessageBatchOperator
from anthropic_batches_provider.operators.results import MessageBatchResultsOperator
from anthropic_batches_provider.operators.submit import MessageBatchSubmitOperator

__all__ = [
    "MessageBatchCancelOperator",
    "MessageBatchEstimateOperator",
    "MessageBatchOperator",
    "MessageBatchResultsOperator",
    "MessageBatchSubmitOperator",
]
