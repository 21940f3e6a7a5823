"""An estimate: figures with their bounds, what they rest on, and in plain words what they leave out.

Invariant: estimates add up as what they estimate does. Independent errors partly cancel each other, and those of one
pilot, which several estimates rest on, do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import add
from typing import Any

from anthropic_batches_provider.batches.estimates import caveats as about
from anthropic_batches_provider.batches.estimates.caveats import Caveat
from anthropic_batches_provider.batches.estimates.model_estimate import Bounds, ModelEstimate
from anthropic_batches_provider.batches.money.dollars import exact_dollars, rounded_dollars

_HEADER = ("model", "rows", "input", "output", "low", "expected", "high", "at max_tokens", "live price")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job will cost, or several jobs together.

    :param models: by model, as the rows name it.
    :param invalid_rows: rows that cannot be sent; they cost nothing.
    :param request_bytes: of all batches, as they would be sent.
    :param batches: about how many message batches there would be.
    :param in_flight: how many requests may be in the account's queue at once.
    :param counted_calls: how many calls have counted tokens.
    :param confidence: of the interval from low to high: ``0.95``.
    :param notes: what these figures leave out or rest on.
    """

    models: dict[str, ModelEstimate]
    invalid_rows: int
    request_bytes: int
    batches: int
    in_flight: int
    counted_calls: int
    confidence: float
    notes: tuple[Caveat, ...]

    @property
    def rows(self) -> int:
        """Rows that can be sent."""
        return sum(each.rows for each in self.models.values())

    @property
    def sampled_rows(self) -> int:
        """How many different rows were counted."""
        return sum(each.sampled_rows for each in self.models.values())

    @property
    def days(self) -> int:
        """How many days the job takes at most, as far as the account's queue decides; 0 without rows."""
        return days_in_queue(self.rows, self.in_flight)

    @property
    def at_least(self) -> bool:
        """Whether the cost of some rows is unknown, so that the figures are lower bounds."""
        return any(each.unknown for each in self.models.values())

    @property
    def cost(self) -> Bounds | None:
        """The cost in pico-dollars, of the models whose prices are known; None if there are none of these."""
        return None if self._has_no_price else self._priced.cost(self.confidence)

    @property
    def live(self) -> int | None:
        """What the expected usage would cost outside of a batch, in pico-dollars; None as above."""
        return None if self._has_no_price else self._priced.live_cost()

    @property
    def input_tokens(self) -> Bounds:
        """The tokens of all prompts."""
        return self._all.input_tokens(self.confidence)

    @property
    def output_tokens(self) -> Bounds:
        """The tokens of all answers."""
        return self._all.output_tokens(self.confidence)

    @property
    def prices(self) -> tuple[str, ...]:
        """Whose prices were used."""
        return self._priced.prices

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the figures leave out or rest on, as sentences."""
        return tuple(map(str, (*self.notes, *about.of_queue(self.rows, self.in_flight, self.days))))

    @property
    def _has_no_price(self) -> bool:
        return bool(self.models) and all(each.unknown for each in self.models.values())

    @property
    def _priced(self) -> ModelEstimate:
        return sum((each for each in self.models.values() if not each.unknown), ModelEstimate())

    @property
    def _all(self) -> ModelEstimate:
        return sum(self.models.values(), ModelEstimate())

    @property
    def _all_but_prices(self) -> ModelEstimate:
        """All rows, with the cost of those that have a price."""
        found, priced = self._all, self._priced
        unknown = found.unknown if self._has_no_price else ""
        return replace(found, costs=priced.costs, live=priced.live, unknown=unknown)

    def __add__(self, other: Estimate) -> Estimate:
        if self.confidence != other.confidence:
            raise ValueError(f"Estimates of {self.confidence} and {other.confidence} cannot be added.")
        models = {**self.models}
        for model, estimate in other.models.items():
            models[model] = models.get(model, ModelEstimate()) + estimate
        return Estimate(
            models={model: models[model] for model in sorted(models)},
            invalid_rows=self.invalid_rows + other.invalid_rows,
            request_bytes=self.request_bytes + other.request_bytes,
            batches=self.batches + other.batches,
            in_flight=min(self.in_flight, other.in_flight),
            counted_calls=self.counted_calls + other.counted_calls,
            confidence=self.confidence,
            notes=about.added((*self.notes, *other.notes)),
        )

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
        return {
            **_dollars(self.cost, self.live),
            "at_least": self.at_least,
            "confidence": self.confidence,
            "rows": self.rows,
            "invalid_rows": self.invalid_rows,
            "request_bytes": self.request_bytes,
            "batches": self.batches,
            "days": self.days,
            "input_tokens": asdict(self.input_tokens),
            "output_tokens": asdict(self.output_tokens),
            "sampled_rows": self.sampled_rows,
            "counted_calls": self.counted_calls,
            "models": {model: self._model_dict(each) for model, each in self.models.items()},
            "prices": list(self.prices),
            "caveats": list(self.caveats),
        }

    def _model_dict(self, each: ModelEstimate) -> dict[str, Any]:
        return {
            **_dollars(each.cost(self.confidence), each.live_cost()),
            "rows": each.rows,
            "sampled_rows": each.sampled_rows,
            "input_tokens": asdict(each.input_tokens(self.confidence)),
            "output_tokens": asdict(each.output_tokens(self.confidence)),
            "unknown": each.unknown,
            "prices": list(each.prices),
        }

    def lines(self, title: str = "") -> list[str]:
        """Return lines for the log or a terminal: a sentence, a small Markdown table by model, and the caveats.

        :param title: what is estimated, such as the task or the dates.
        """
        return [self._sentence(title), *self._table(), *(f"- {caveat}" for caveat in self.caveats)]

    def _sentence(self, title: str) -> str:
        head = f"Estimate of {title}" if title else "Estimate"
        cost = self.cost
        if cost is None:
            return f"{head}: the cost is unknown."
        sources = f" at the prices of {' and '.join(self.prices)}" if self.prices else ""
        at_least, known = ("at least ", " for the rows whose price is known") if self.at_least else ("", "")
        return (
            f"{head}: {at_least}{rounded_dollars(cost.expected)} expected, {rounded_dollars(cost.low)} to "
            f"{rounded_dollars(cost.high)} with a confidence of {self.confidence:.0%}{known}{sources}."
        )

    def _table(self) -> list[str]:
        rows = [_HEADER, *(self._row(model, each) for model, each in self.models.items())]
        if len(self.models) != 1:
            rows.append(self._row("all", self._all_but_prices))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [[row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))] for row in rows]
        return [f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:])]

    def _row(self, model: str, each: ModelEstimate) -> tuple[str, ...]:
        cost, live = (None, None) if each.unknown else (each.cost(self.confidence), each.live_cost())
        money: tuple[str, ...] = ("unknown",) * 5
        if cost is not None and live is not None:
            money = tuple(map(rounded_dollars, (cost.low, cost.expected, cost.high, cost.bound, live)))
        tokens = (each.input_tokens(self.confidence).expected, each.output_tokens(self.confidence).expected)
        return model, f"{each.rows:,}", *(f"{number:,}" for number in tokens), *money


def days_in_queue(rows: int, in_flight: int) -> int:
    """Return in how many days so many requests are answered at the latest, if the queue is full each day."""
    return math.ceil(rows / in_flight)


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Return the estimate of several jobs together, such as those of a backfill.

    :raises ValueError: there is none, or they have different confidences.
    """
    found = list(estimates)
    if not found:
        raise ValueError("There is no estimate to add up.")
    return reduce(add, found)


def _dollars(cost: Bounds | None, live: int | None) -> dict[str, str | None]:
    if cost is None or live is None:
        return dict.fromkeys(("low_usd", "expected_usd", "high_usd", "bound_usd", "live_usd"))
    amounts = {**asdict(cost), "live": live}
    return {f"{name}_usd": exact_dollars(pico) for name, pico in amounts.items()}
