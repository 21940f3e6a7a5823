"""Random ways in which a job that uses the prompt cache is cut, sent and treated by the world."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.submission import Pilot
from tests.properties.cache_oracle import Prices

MINUTE, HOUR = 60.0, 3600.0
CHARACTERS_PER_TOKEN = 4
TOKENS_OF_A_MESSAGE = 4
MODELS = {"claude-sonnet-4-6": 1024, "claude-opus-5-5": 512, "claude-fable-5-1": 512, "claude-opus-4-8": 1024}
"""Models, each with the fewest tokens of a prefix that it caches."""
READ = {"claude-sonnet-4-6": 100, "claude-opus-5-5": 50, "claude-fable-5-1": 25, "claude-opus-4-8": 100}
WRITE: dict[CacheTtl, int] = {"5m": 1250, "1h": 2000}


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """A job and its circumstances; durations are seconds.

    :param place: where the prefix ends that all its requests share.
    :param primer_takes: shortest and longest duration of the batch of one row.
    :param shard_takes: those of any other batch.
    :param slow_primers: share of the batches of one row that take hours.
    :param expiring: share of the batches that do not end within a day.
    :param failing: share of the rows that get an error which passes.
    :param failing_first: so many rows get one from the start on.
    :param away: share of the waits from which the task comes back late.
    :param longest_away: how late at most.
    :param frozen: share of the stints in which the worker stops for a while.
    :param refused: share of the create calls that are answered with 429.
    :param lost: share of the create calls whose answer is lost.
    :param outages: share of the stints whose calls all fail.
    """

    seed: int
    rows: int = 200
    rows_per_shard: int = 50
    in_flight: int = 500_000
    ttl: CacheTtl = "1h"
    model: str = "claude-sonnet-4-6"
    prefix_tokens: int = 1_100
    place: Literal["system", "shared block"] = "system"
    pilot: Pilot = "auto"
    max_rounds: int = 3
    primer_takes: tuple[float, float] = (MINUTE, 20 * MINUTE)
    shard_takes: tuple[float, float] = (10 * MINUTE, 2 * HOUR)
    slow_primers: float = 0.0
    expiring: float = 0.0
    failing: float = 0.0
    failing_first: int = 0
    away: float = 0.0
    longest_away: float = 0.0
    frozen: float = 0.0
    refused: float = 0.0
    lost: float = 0.0
    outages: float = 0.0

    @property
    def prices(self) -> Prices:
        """What the prefix costs."""
        return Prices(write=WRITE[self.ttl], read=READ[self.model])

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happens to the job but that its batches take their time."""
        return self.seed % 3 == 0


def arrangement(seed: int) -> Arrangement:
    """Draw an arrangement: a third of them quiet, a third with tasks that come back late, a third with any trouble."""
    draw = random.Random(f"arrangement {seed}")
    rows = draw.choice((50, 51, 60, 100, 150, 250, 400))
    rows_per_shard = draw.choice([size for size in (5, 10, 25, 40, 50, 100, 250, 400) if rows / size <= 12])
    model = draw.choice(list(MODELS))
    shortest = draw.choice((MINUTE, 5 * MINUTE, 30 * MINUTE))
    drawn: dict[str, Any] = {
        "rows": rows,
        "rows_per_shard": rows_per_shard,
        "in_flight": draw.choice((1, rows_per_shard, 2 * rows_per_shard, 3 * rows_per_shard + 1, 500_000)),
        "ttl": draw.choice(("5m", "1h")),
        "model": model,
        "prefix_tokens": MODELS[model] + draw.choice((0, 1, 70, 400)),
        "place": draw.choice(("system", "shared block")),
        "pilot": draw.choice(("auto", "auto", 1, 3, 16)),
        "primer_takes": (MINUTE, draw.choice((2 * MINUTE, 20 * MINUTE, 90 * MINUTE))),
        "shard_takes": (shortest, shortest * draw.choice((1, 4, 20))),
    }
    if seed % 3:
        drawn |= {
            "away": draw.choice((0.1, 0.5)),
            "longest_away": draw.choice((10 * MINUTE, 2 * HOUR, 12 * HOUR)),
            "frozen": draw.choice((0, 0, 0.2)),
        }
    if seed % 3 == 2:
        drawn |= {
            "max_rounds": draw.choice((1, 2, 4)),
            "slow_primers": draw.choice((0, 0.1, 0.4)),
            "expiring": draw.choice((0, 0, 0.05, 0.2)),
            "failing": draw.choice((0, 0, 0.02, 0.3)),
            "failing_first": draw.choice((0, 0, 1, 2, 4, 40)),
            "refused": draw.choice((0, 0, 0.2)),
            "lost": draw.choice((0, 0, 0.1)),
            "outages": draw.choice((0, 0, 0.1, 0.3)),
        }
    return Arrangement(seed=seed, **drawn)


def prepared_rows(asked: Arrangement) -> Iterator[PreparedRow]:
    """Yield the rows of a job, of different lengths."""
    shared = f"Contract {asked.seed}. ".ljust(CHARACTERS_PER_TOKEN * asked.prefix_tokens, "x")
    for number in range(asked.rows):
        params: dict[str, Any] = {"model": asked.model, "max_tokens": 9}
        own = {"type": "text", "text": _question(number)}
        if asked.place == "system":
            params |= {"system": shared, "messages": [{"role": "user", "content": [own]}]}
        else:
            content = [{"type": "text", "text": shared}, own]
            params |= {"messages": [{"role": "user", "content": content}]}
        yield PreparedRow(number, b'{"key":%d}' % number, msgspec.json.encode(params))


def _question(row: int) -> str:
    return f"question {row} " + "?" * (row * 7919 % 97)


def own_tokens(row: int) -> int:
    """Return the tokens of a row's prompt that no other row shares."""
    return -(-len(_question(row)) // CHARACTERS_PER_TOKEN) + TOKENS_OF_A_MESSAGE
