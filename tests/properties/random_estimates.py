"""Random jobs that are estimated before they run: their rows, their answers' lengths, and how they are sent."""

from __future__ import annotations

import base64
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from anthropic_batches_provider.batches.prompt_cache import CacheTtl, PromptCache
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.simulator.service.outcomes import OutcomeRule
from tests.worlds.pictures import png

Corpus = Literal["passages", "lognormal", "heavy", "two lengths", "languages", "equal"]
CORPORA: Sequence[Corpus] = ("passages", "lognormal", "heavy", "two lengths", "languages", "equal")
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-4-8", "claude-fable-5-1")
MARKED = "In detail: "
"""The beginning of rows whose answers are longer in some jobs."""

LONG_TIMES = 3
_PASSAGES = Path(__file__).parents[2] / "dags" / "data" / "sotu_passages.jsonl"
_LONGEST = 60_000
_SCRIPTS = {  # a character takes one byte of UTF-8, two, and three
    "English": "the of and to in is was he for it ",
    "Russian": "и в не на я быть он с что а ",  # noqa: RUF001  Cyrillic
    "Chinese": "的一是不了人我在有他",
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How long a job's answers are, in tokens.

    :param median: None for the simulator's own short answers.
    :param spread: the standard deviation of the logarithm.
    :param marked_times: the answers to marked rows are so many times as long.
    :param long_from: prompts of so many characters have answers that are three times as long; 0 for none.
    """

    median: int | None = None
    spread: float = 0.0
    marked_times: float = 1.0
    long_from: int = 0

    def rules(self) -> Iterator[OutcomeRule]:
        """Yield the simulator's rules for these answers."""
        if self.median is None:
            return
        if self.marked_times != 1:
            yield self._rule(self.marked_times, contains=MARKED)
        if self.long_from:
            yield self._rule(LONG_TIMES, text_matches=f"(?s).{{{self.long_from}}}")
        yield self._rule(1)

    def _rule(self, times: float, **conditions: Any) -> OutcomeRule:
        tokens = max(1, round((self.median or 1) * times))
        return OutcomeRule(output_tokens=tokens, output_spread=self.spread or None, **conditions)


@dataclass(frozen=True, kw_only=True)
class RandomJob:
    """A job that is estimated and then run, and the earlier job whose pilot shows how long answers are.

    :param pilot: the rows of the earlier job's pilot.
    :param shared: characters of the system prompt.
    :param cache: how long an entry of the prompt cache is to live; None for no cache.
    :param marked: share of the rows that are marked.
    :param pictures: share of the rows that have one or two pictures.
    :param failing: share of the rows whose first try gets an error that passes.
    """

    seed: int
    rows: int
    corpus: Corpus
    models: tuple[str, ...]
    max_tokens: int
    pilot: int
    answers: Answers = Answers()
    shared: int = 0
    cache: CacheTtl | None = None
    marked: float = 0.0
    pictures: float = 0.0
    geography: str | None = None
    failing: float = 0.0
    rows_per_shard: int = 100_000

    @property
    def prompt_cache(self) -> PromptCache | None:
        """How the job uses the prompt cache."""
        return None if self.cache is None else PromptCache(ttl=self.cache)

    def prepared_rows(self, date: int = 0) -> Iterator[PreparedRow]:
        """Yield the job's rows.

        :param date: jobs of different dates have different rows.
        """
        return self._rows(f"job {date}" if date else "job", self.rows)

    def earlier_rows(self) -> Iterator[PreparedRow]:
        """Yield the rows of the earlier job: others of the same kind."""
        return self._rows("earlier", 2 * self.pilot + 10)

    def rules(self) -> Iterator[OutcomeRule]:
        """Yield the simulator's rules for the job."""
        if self.failing:
            yield OutcomeRule(result="errored", error_type="overloaded_error", share=self.failing, first_submissions=1)
        yield from self.answers.rules()

    def _rows(self, name: str, count: int) -> Iterator[PreparedRow]:
        draw = random.Random(f"rows {name} {self.seed}")
        text = _texts(self.corpus, draw)
        # Both jobs ask the same question.
        system = f"Guide {self.seed}. ".ljust(self.shared, "x") if self.shared else None
        for number in range(count):
            mark = MARKED if draw.random() < self.marked else ""
            content: Any = f"{mark}{number}: {text()}"
            if draw.random() < self.pictures:
                pictures = [_picture(draw) for _ in range(draw.choice((1, 1, 2)))]
                content = [*pictures, {"type": "text", "text": content}]
            params: dict[str, Any] = {"model": draw.choice(self.models), "max_tokens": self.max_tokens}
            params |= {"system": system} if system else {}
            params |= {"inference_geo": self.geography} if self.geography else {}
            params["messages"] = [{"role": "user", "content": content}]
            yield PreparedRow(number, b'{"key":%d}' % number, msgspec.json.encode(params))


def random_job(seed: int) -> RandomJob:
    """Draw a job; half of them have nothing but rows and answers of different lengths."""
    draw = random.Random(f"estimate {seed}")
    answers, marked = _answers(draw)
    enough = (
        2 * (answers.median or 0) * (LONG_TIMES if answers.long_from else 1)
    )  # so that some answers are cut off, and most are not
    drawn: dict[str, Any] = {
        "rows": round(math.exp(draw.uniform(math.log(20), math.log(600)))),
        "corpus": draw.choice(CORPORA),
        "models": (draw.choice(MODELS),),
        "max_tokens": draw.choice([most for most in (256, 1_024, 1_024, 4_096, 16_000) if most >= enough]),
        "pilot": draw.choice((20, 30, 50, 100)),
        "answers": answers,
        "marked": marked,
        "shared": draw.choice((0, 300, 3_000)),
    }
    if seed % 2:
        if draw.random() < 0.4:
            drawn |= {"cache": draw.choice(("5m", "1h")), "shared": draw.choice((1_000, 5_000, 20_000))}
        elif draw.random() < 0.3:
            drawn |= {"models": tuple(draw.sample(MODELS, 2))}
        drawn |= {
            "pictures": draw.choice((0, 0, 0.05, 0.4)),
            "geography": draw.choice((None, None, None, "us")),
            "failing": draw.choice((0, 0, 0.05, 0.3)),
            "rows_per_shard": draw.choice((40, 150, 100_000)),
        }
    return RandomJob(seed=seed, **drawn)


def _answers(draw: random.Random) -> tuple[Answers, float]:
    """Return how long answers are, and the share of marked rows."""
    kind = draw.choice(("short", "equal", "lognormal", "lognormal", "lognormal", "marked", "long rows"))
    if kind == "short":
        return Answers(), 0.0
    median = draw.choice((5, 40, 150, 400, 900))
    if kind == "equal":
        return Answers(median=median), 0.0
    spread = draw.choice((0.1, 0.3, 0.6, 0.9))
    if kind == "marked":
        return Answers(median=median, spread=spread, marked_times=draw.choice((0.2, 3, 6))), draw.choice(
            (0.1, 0.3, 0.5)
        )
    if kind == "long rows":
        return Answers(median=median, spread=spread, long_from=draw.choice((500, 1_500))), 0.0
    return Answers(median=median, spread=spread), 0.0


def _texts(corpus: Corpus, draw: random.Random) -> Callable[[], str]:
    """Return a function that draws texts of a corpus."""
    if corpus == "passages":
        return lambda: draw.choice(passages())
    if corpus == "languages":
        return lambda: _text_of(draw.choices(list(_SCRIPTS), (6, 2, 2))[0], round(draw.lognormvariate(6, 0.9)))
    length: dict[str, Callable[[], float]] = {
        "lognormal": lambda: draw.lognormvariate(6, 0.8),
        "heavy": lambda: 150 * draw.paretovariate(1.2),
        "two lengths": lambda: draw.choice((80, 80, 80, 4_000)) * draw.uniform(0.8, 1.2),
        "equal": lambda: 400,
    }
    return lambda: _text_of("English", round(length[corpus]()))


def _text_of(script: str, characters: int) -> str:
    characters = max(1, min(characters, _LONGEST))
    words = _SCRIPTS[script]
    return (words * (characters // len(words) + 1))[:characters]


@cache
def passages() -> Sequence[str]:
    """Return the texts of the passages that the example DAGs use."""
    return [msgspec.json.decode(line)["text"] for line in _PASSAGES.read_bytes().splitlines()]


def _picture(draw: random.Random) -> dict[str, Any]:
    if draw.random() < 0.3:
        return {"type": "image", "source": {"type": "url", "url": f"https://example.com/{draw.randrange(10**6)}.png"}}
    data = base64.b64encode(png(padding=draw.randrange(50_000))).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
