"""What the rows of one model will cost, as sums that add up over rows, models and jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from anthropic_batches_provider.batches.estimates.estimated_sums import EstimatedSum
from anthropic_batches_provider.batches.estimates.output_tokens import FromPilot


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
class Scenarios:
    """A sum in each of four cases.

    :param low: the prompt cache does all it can, and answers are as short as may be.
    :param expected: what is expected.
    :param high: every row writes to the prompt cache, and answers are as long as may be.
    :param bound: the same, with every answer at ``max_tokens``.
    """

    low: EstimatedSum = field(default_factory=EstimatedSum)
    expected: EstimatedSum = field(default_factory=EstimatedSum)
    high: EstimatedSum = field(default_factory=EstimatedSum)
    bound: EstimatedSum = field(default_factory=EstimatedSum)

    @classmethod
    def of(cls, make: Callable[[str], EstimatedSum]) -> Scenarios:
        """Return the sums that a function makes, given the name of each case."""
        return cls(low=make("low"), expected=make("expected"), high=make("high"), bound=make("bound"))

    def __add__(self, other: Scenarios) -> Scenarios:
        return Scenarios.of(lambda name: self.in_case(name) + other.in_case(name))

    def in_case(self, name: str) -> EstimatedSum:
        """Return the sum in a case."""
        found: EstimatedSum = getattr(self, name)
        return found

    def with_answers(self, answers: EstimatedSum) -> Scenarios:
        """Return the sums with what a pilot says of the answers; the bound needs no pilot."""
        return Scenarios.of(lambda name: self.in_case(name) + (EstimatedSum() if name == "bound" else answers))

    def bounds(self, confidence: float) -> Bounds:
        """Return the figures, each within the next."""
        bound = max(self.bound.upper(confidence), self.expected.point)
        return Bounds(
            low=min(max(self.low.lower(confidence), 0), self.expected.point),
            expected=self.expected.point,
            high=min(max(self.high.upper(confidence), self.expected.point), bound),
            bound=bound,
        )


@dataclass(frozen=True, slots=True)
class PilotSum:
    """A sum over the answers of all rows, as each answer of a pilot alone would have it.

    :param by_answer: the sum if all answers were like this one.
    :param weight: the sum over all rows of what a token of their answer weighs.
    :param squares: the sum of its squares.
    """

    by_answer: tuple[int, ...]
    weight: int
    squares: int

    def __add__(self, other: PilotSum) -> PilotSum:
        by_answer = tuple(mine + others for mine, others in zip(self.by_answer, other.by_answer, strict=True))
        return PilotSum(by_answer, self.weight + other.weight, self.squares + other.squares)

    def estimated(self) -> EstimatedSum:
        """Return the sum, with the variance of a mean of the pilot's answers, and of the rows around this mean."""
        answers = len(self.by_answer)
        point = round(Fraction(sum(self.by_answer), answers))
        if not self.weight:
            return EstimatedSum.exact(point)
        values = [float(value) for value in self.by_answer]
        return EstimatedSum.of_mean(point, values, predicted=self.squares / self.weight**2)


@dataclass(frozen=True, slots=True)
class PilotAnswers:
    """What a pilot says of the answers to the rows of an estimate.

    :param tokens: of the answers.
    :param cost: of these, in pico-dollars.
    :param live: of these outside of a batch, in pico-dollars.
    """

    pilot: FromPilot
    tokens: PilotSum
    cost: PilotSum
    live: PilotSum

    def __add__(self, other: PilotAnswers) -> PilotAnswers:
        """Add what the same pilot says of other rows."""
        return PilotAnswers(self.pilot, self.tokens + other.tokens, self.cost + other.cost, self.live + other.live)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """What the rows of one model will cost.

    :param rows: that can be sent.
    :param sampled_rows: of these, how many different ones were counted.
    :param prompt: tokens of all prompts.
    :param answers: tokens of all answers, without those that a pilot says.
    :param costs: in pico-dollars, without answers that a pilot says.
    :param live: the expected usage outside of a batch, in pico-dollars; without these, too.
    :param said: what a pilot says of the answers.
    :param prices: whose prices were used.
    :param unknown: why the cost is unknown; "" if it is known.
    """

    rows: int = 0
    sampled_rows: int = 0
    prompt: EstimatedSum = field(default_factory=EstimatedSum)
    answers: Scenarios = field(default_factory=Scenarios)
    costs: Scenarios = field(default_factory=Scenarios)
    live: EstimatedSum = field(default_factory=EstimatedSum)
    said: PilotAnswers | None = None
    prices: tuple[str, ...] = ()
    unknown: str = ""

    def cost(self, confidence: float) -> Bounds | None:
        """Return the cost in pico-dollars; None if it is unknown."""
        return None if self.unknown else self._alone().costs.bounds(confidence)

    def live_cost(self) -> int | None:
        """Return what the expected usage costs outside of a batch, in pico-dollars; None if that is unknown."""
        return None if self.unknown else self._alone().live.point

    def input_tokens(self, confidence: float) -> Bounds:
        """Return the tokens of all prompts, whatever the prompt cache does."""
        return Scenarios.of(lambda _: self.prompt).bounds(confidence)

    def output_tokens(self, confidence: float) -> Bounds:
        """Return the tokens of all answers."""
        return self._alone().answers.bounds(confidence)

    def __add__(self, other: ModelEstimate) -> ModelEstimate:
        mine, others = self, other
        if self.said is not None and other.said is not None and self.said.pilot != other.said.pilot:
            mine, others = self._alone(), other._alone()
        said = mine.said
        if said is None:
            said = others.said
        elif others.said is not None:
            said = said + others.said
        return ModelEstimate(
            rows=mine.rows + others.rows,
            sampled_rows=mine.sampled_rows + others.sampled_rows,
            prompt=mine.prompt + others.prompt,
            answers=mine.answers + others.answers,
            costs=mine.costs + others.costs,
            live=mine.live + others.live,
            said=said,
            prices=tuple(sorted({*mine.prices, *others.prices})),
            unknown=mine.unknown or others.unknown,
        )

    def _alone(self) -> ModelEstimate:
        """Return the same with what the pilot says in the sums; its error then counts as independent of others."""
        if self.said is None:
            return self
        return replace(
            self,
            answers=self.answers.with_answers(self.said.tokens.estimated()),
            costs=self.costs.with_answers(self.said.cost.estimated()),
            live=self.live + self.said.live.estimated(),
            said=None,
        )
