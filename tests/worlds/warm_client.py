"""Preloaded by the forkserver: the processes that it forks inherit a first client's imports and certificates."""

import gc
from functools import cache

import httpcore2

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient

httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
with MessageBatchClient(ClientSettings(base_url="http://127.0.0.1:9", api_key="unused")):
    pass
gc.freeze()
