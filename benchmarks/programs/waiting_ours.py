"""This package: all triggers share one watcher, and the watcher has one client."""

from __future__ import annotations

import time

import anthropic_batches_provider.batches.client
import anthropic_batches_provider.batches.watching
import anthropic_batches_provider.hooks  # noqa: F401  beforehand, as the peers' triggers import all that they need
from anthropic_batches_provider.triggers import MessageBatchTrigger
from benchmarks.waiting.scenario import INTERVAL_SECONDS, PATIENCE_SECONDS


def trigger(batch_id: str, _ends_after: float) -> MessageBatchTrigger:
    return MessageBatchTrigger(
        [batch_id], "anthropic_default", INTERVAL_SECONDS, deadline=time.time() + PATIENCE_SECONDS
    )
