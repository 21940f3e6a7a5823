"""Which prefixes each model caches, and what its reads and writes cost in tokens of plain input.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching and the models' pages (seen 2026-11-27)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CachingOfModel:
    """How a model's prompt cache works.

    :param least_tokens: a shorter prefix is silently not cached.
    :param read: price of a token that is read, in tokens of plain input.
    :param write_5m: price of a token that is written for 5 minutes.
    :param write_1h: price of a token that is written for an hour.
    """

    least_tokens: int
    read: float = 0.1
    write_5m: float = 1.25
    write_1h: float = 2.0


def caching_of(model: str) -> CachingOfModel | None:
    """Return how a model's prompt cache works; None for a model that is not known here."""
    raise NotImplementedError
