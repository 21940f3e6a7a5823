"""An estimate: figures with their bounds, what they rest on, and in plain words what they leave out.

Invariant: estimates add up as what they estimate does. Independent errors partly cancel each other, and those of one
pilot, which several estimates rest on, do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A figure within its bounds: in tokens, or in pico-dollars.

    :param low: the lower end of the interval.
    :param expected: the expected value.
    :param high: the upper end of the interval.
    :param bound: with every answer at ``max_tokens``, and the input at the upper end of its interval.
    """

    low: int
    expected: int
    high: int
    bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """What the rows of one model will cost.

    :param rows: that can be sent.
    :param sampled_rows: of these, how many different ones were counted.
    :param prices: whose prices were used.
    :param unknown: why the cost is unknown; "" if it is known.
    """

    rows: int
    sampled_rows: int
    prices: tuple[str, ...]
    unknown: str

    def cost(self, confidence: float) -> Bounds | None:
        """Return the cost in pico-dollars; None if it is unknown."""
        raise NotImplementedError

    def input_tokens(self, confidence: float) -> Bounds:
        """Return the tokens of all prompts, whatever the prompt cache does."""
        raise NotImplementedError

    def output_tokens(self, confidence: float) -> Bounds:
        """Return the tokens of all answers."""
        raise NotImplementedError

    def __add__(self, other: ModelEstimate) -> ModelEstimate:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job will cost, or several jobs together.

    :param models: by model, as the rows name it.
    :param invalid_rows: rows that cannot be sent; they cost nothing.
    :param request_bytes: of all batches, as they would be sent.
    :param batches: about how many message batches there would be.
    :param days: so many days the job takes at most, as far as the account's queue decides.
    :param counted_calls: how many calls have counted tokens.
    :param confidence: of the interval from low to high: ``0.95``.
    :param caveats: what these figures leave out or rest on, as sentences.
    """

    models: dict[str, ModelEstimate]
    invalid_rows: int
    request_bytes: int
    batches: int
    days: int
    counted_calls: int
    confidence: float
    caveats: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that can be sent."""
        raise NotImplementedError

    @property
    def sampled_rows(self) -> int:
        """How many different rows were counted."""
        raise NotImplementedError

    @property
    def at_least(self) -> bool:
        """Whether the cost of some rows is unknown, so that the figures are lower bounds."""
        raise NotImplementedError

    @property
    def cost(self) -> Bounds | None:
        """The cost in pico-dollars, of the models whose prices are known; None if none is known."""
        raise NotImplementedError

    @property
    def live(self) -> int | None:
        """What the expected usage would cost outside of a batch, in pico-dollars."""
        raise NotImplementedError

    @property
    def input_tokens(self) -> Bounds:
        """The tokens of all prompts."""
        raise NotImplementedError

    @property
    def output_tokens(self) -> Bounds:
        """The tokens of all answers."""
        raise NotImplementedError

    @property
    def prices(self) -> tuple[str, ...]:
        """Whose prices were used."""
        raise NotImplementedError

    def __add__(self, other: Estimate) -> Estimate:
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with money as texts of dollars, to the last digit.

        ::

            {
                "low_usd", "expected_usd", "high_usd", "bound_usd", "live_usd": text or None,
                "at_least": bool, "confidence": 0.95,
                "rows", "invalid_rows", "request_bytes", "batches", "days": int,
                "input_tokens", "output_tokens": {"low", "expected", "high", "bound"},
                "sampled_rows", "counted_calls": int,
                "models": {model: {"low_usd", …, "live_usd", "rows", "sampled_rows", "input_tokens", "output_tokens",
                                   "unknown": reason or "", "prices": […]}},
                "prices": […], "caveats": […],
            }
        """
        raise NotImplementedError

    def lines(self, title: str = "") -> list[str]:
        """Return lines for the log or a terminal: a sentence, a small Markdown table by model, and the caveats.

        :param title: what is estimated, such as the task or the dates.
        """
        raise NotImplementedError


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Return the estimate of several jobs together, such as those of a backfill.

    :raises ValueError: there is none, or they have different confidences.
    """
    raise NotImplementedError
