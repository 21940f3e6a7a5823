"""The operators: submit rows, collect results, cancel batches; thin, each over the engine."""

from __future__ import annotations

from anthropic_batches_provider.operators.cancel import MessageBatchCancelOperator
from anthropic_batches_provider.operators.results import MessageBatchResultsOperator
from anthropic_batches_provider.operators.submit import MessageBatchSubmitOperator

__all__ = ["MessageBatchCancelOperator", "MessageBatchResultsOperator", "MessageBatchSubmitOperator"]
