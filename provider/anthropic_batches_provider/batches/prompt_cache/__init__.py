"""The prompt cache: which requests may use it, how their shared prefix is marked, and what that gained."""

from __future__ import annotations

from anthropic_batches_provider.batches.prompt_cache.cache_rules import LIFE, CacheTtl, PromptCache

__all__ = ["LIFE", "CacheTtl", "PromptCache"]
