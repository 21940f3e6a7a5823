"""What is expected of the answers' length: from an earlier job's answers, as a share of ``max_tokens``, or nothing.

In any case, ``max_tokens`` of each row is the bound: the API ends an answer there, and thinking counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from anthropic_batches_provider.batches.ledger import PilotRecord

FEWEST_ANSWERS = 2
"""With fewer answers than this, a pilot does not show how much they differ."""


@dataclass(frozen=True, slots=True)
class FromPilot:
    """The answers will be as long as those of an earlier job's pilot, which are taken for a sample of them.

    :param output_tokens: of each answer, in any order; at least two.
    :param model: the model that answered; "" if that is not known.
    :param name: of the earlier job, for messages.
    :param truncated: how many of the answers were cut at ``max_tokens``, so that they say too little.
    :raises ValueError: there are fewer than two answers, or a number of tokens is negative.
    """

    output_tokens: tuple[int, ...]
    model: str = ""
    name: str = ""
    truncated: int = 0

    def __post_init__(self) -> None:
        if len(self.output_tokens) < FEWEST_ANSWERS:
            raise ValueError(f"A pilot needs {FEWEST_ANSWERS} answers at least, not {len(self.output_tokens)}.")
        if min(self.output_tokens) < 0:
            raise ValueError(f"A number of tokens is negative: {min(self.output_tokens)}.")

    @classmethod
    def of(cls, record: PilotRecord, name: str) -> FromPilot:
        """Return what a pilot has shown.

        :param name: of its job, for messages.
        :raises ValueError: fewer than two of its rows were answered.
        """
        return cls(record.output_tokens, record.model, name, record.verdicts.get("truncated", 0))


@dataclass(frozen=True, slots=True)
class Share:
    """The answers are expected to use a share of ``max_tokens``.

    It moves the expected cost alone: nobody has measured it, so the low figure is without answers, and the high one has
    every answer at ``max_tokens``.

    :param share: above 0, at most 1.
    :raises ValueError: it is not.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"The share of max_tokens must be above 0 and at most 1, not {self.share!r}.")


@dataclass(frozen=True, slots=True)
class UnknownOutput:
    """Nothing is known: the expected cost has every answer at ``max_tokens``, as the bound has."""


UNKNOWN_OUTPUT = UnknownOutput()
OutputExpectation = FromPilot | Share | UnknownOutput


def expected_length(output: OutputExpectation, max_tokens: int) -> Fraction:
    """Return how many tokens the answer to a row is expected to have.

    :param max_tokens: of the row.
    """
    if isinstance(output, FromPilot):
        lengths = [min(length, max_tokens) for length in output.output_tokens]
        return Fraction(sum(lengths), len(lengths))
    return Fraction(max_tokens) * (Fraction(str(output.share)) if isinstance(output, Share) else 1)


def least_length(output: OutputExpectation, max_tokens: int) -> Fraction:
    """Return with how many tokens of an answer the low figure is made: a measured mean, else none."""
    return expected_length(output, max_tokens) if isinstance(output, FromPilot) else Fraction(0)


def most_length(output: OutputExpectation, max_tokens: int) -> Fraction:
    """Return with how many tokens of an answer the high figure is made: a measured mean, else ``max_tokens``."""
    return expected_length(output, max_tokens) if isinstance(output, FromPilot) else Fraction(max_tokens)


def sums_by_answer(pilot: FromPilot, rows_by_max_tokens: Mapping[int, int]) -> tuple[int, ...]:
    """Return for each answer of a pilot how many tokens all answers have if each of them is so long, or as it may be.

    :param rows_by_max_tokens: how many rows have each ``max_tokens``.
    """
    limits = sorted(rows_by_max_tokens)
    rows = [0, *accumulate(rows_by_max_tokens[limit] for limit in limits)]
    cut = [0, *accumulate(limit * rows_by_max_tokens[limit] for limit in limits)]
    sums = []
    for length in pilot.output_tokens:
        shorter = bisect_left(limits, length)
        sums.append(cut[shorter] + length * (rows[-1] - rows[shorter]))
    return tuple(sums)
