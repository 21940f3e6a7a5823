"""Which prefixes each model caches, and what its reads and writes cost in tokens of plain input.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching and the models' pages (seen 2026-11-27)
"""

from __future__ import annotations

from dataclasses import dataclass

from anthropic_batches_provider.batches.model_names import without_date
from anthropic_batches_provider.batches.prompt_cache.cache_rules import CacheTtl


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

    def write(self, ttl: CacheTtl) -> float:
        """Return the price of a token that is written for a time to live."""
        return self.write_1h if ttl == "1h" else self.write_5m


UNKNOWN_MODEL = CachingOfModel(least_tokens=0)
"""What to expect of a model that is not known here: the ordinary prices, and no minimum."""

# The minimums of Mythos 5.1, Mythos 5.2 and Fable 5.2 are not published: those of their lines are taken.
MODELS = {
    "claude-fable-5-2": CachingOfModel(least_tokens=512, read=0.025),
    "claude-mythos-5-2": CachingOfModel(least_tokens=512, read=0.025),
    "claude-fable-5-1": CachingOfModel(least_tokens=512, read=0.025),
    "claude-mythos-5-1": CachingOfModel(least_tokens=512, read=0.025),
    "claude-fable-5": CachingOfModel(least_tokens=512),
    "claude-mythos-5": CachingOfModel(least_tokens=512),
    "claude-mythos-preview": CachingOfModel(least_tokens=2_048),
    "claude-opus-5-5": CachingOfModel(least_tokens=512, read=0.05),
    "claude-opus-5": CachingOfModel(least_tokens=512),
    "claude-opus-4-8": CachingOfModel(least_tokens=1_024),
    "claude-opus-4-7": CachingOfModel(least_tokens=2_048),
    "claude-opus-4-6": CachingOfModel(least_tokens=4_096),
    "claude-opus-4-5": CachingOfModel(least_tokens=4_096),
    "claude-opus-4-1": CachingOfModel(least_tokens=1_024),
    "claude-opus-4": CachingOfModel(least_tokens=1_024),
    "claude-sonnet-5-5": CachingOfModel(least_tokens=512, read=0.05),
    "claude-sonnet-5": CachingOfModel(least_tokens=1_024),
    "claude-sonnet-4-6": CachingOfModel(least_tokens=1_024),
    "claude-sonnet-4-5": CachingOfModel(least_tokens=1_024),
    "claude-sonnet-4": CachingOfModel(least_tokens=1_024),
    "claude-haiku-5-5": CachingOfModel(least_tokens=512),
    "claude-haiku-4-5": CachingOfModel(least_tokens=4_096),
    "claude-3-5-haiku": CachingOfModel(least_tokens=2_048),
}


def caching_of(model: str) -> CachingOfModel | None:
    """Return how a model's prompt cache works; None for a model that is not known here.

    :param model: its id as the API writes it, with or without the date of a snapshot.
    """
    return MODELS.get(without_date(model))


def break_even_rows(caching: CachingOfModel, ttl: CacheTtl) -> int:
    """Return the least number of rows from which one write and reads of all others cost less than no cache."""
    write, rows = caching.write(ttl), 1
    while write + (rows - 1) * caching.read >= rows:
        rows += 1
    return rows


def why_nothing_was_cached(model: str, prefix_tokens: int | None) -> str:
    """Return sentences that say why requests neither wrote nor read an entry, and what to do.

    :param model: the model that answered.
    :param prefix_tokens: the tokens of the marked prefix, as the API counted them; None if it did not.
    """
    known = caching_of(model)
    least = "" if known is None else f" of fewer than {known.least_tokens:,} tokens"
    counted_as = "" if prefix_tokens is None else f" Yours was counted as {prefix_tokens:,} tokens."
    if known is not None and prefix_tokens is not None and prefix_tokens >= known.least_tokens:
        advice = "That is enough: ask Anthropic's support, with the id of a batch."
    else:
        advice = (
            "Choose a model that caches shorter prefixes, share more text, or leave out prompt_cache= the next time."
        )
    return f"The service silently caches no prefix{least} for {model}.{counted_as} {advice}"
