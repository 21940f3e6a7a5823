"""A sum that is known from a sample: its point estimate, and how far it may be off.

Invariant: such sums are of independent samples, so that their variances add up.
"""

from __future__ import annotations

from dataclasses import dataclass

from anthropic_batches_provider.batches.estimates.students_t import t_quantile

WIDENED = 1.25
"""Intervals are widened by this factor: few draws from a skewed distribution vary more than they show."""


@dataclass(frozen=True, slots=True)
class EstimatedSum:
    """A sum, exact or estimated.

    :param point: the estimate.
    :param variance: of the estimate; 0 if it is exact.
    :param squares: the sum over the samples of their variance squared, by their degrees of freedom.
    """

    point: int = 0
    variance: float = 0.0
    squares: float = 0.0

    @classmethod
    def exact(cls, point: int) -> EstimatedSum:
        """Return a sum over all rows."""
        return cls(point)

    @classmethod
    def sampled(cls, point: int, variance: float, *, freedom: float) -> EstimatedSum:
        """Return a sum that one sample estimates.

        :param freedom: the degrees of freedom of the variance.
        """
        return cls(point, variance, variance * variance / freedom)

    def __add__(self, other: EstimatedSum) -> EstimatedSum:
        return EstimatedSum(self.point + other.point, self.variance + other.variance, self.squares + other.squares)

    def half_width(self, confidence: float) -> int:
        """Return half of the interval around the point, rounded up.

        The degrees of freedom are those of Welch and Satterthwaite.

        :param confidence: with which the true sum lies in it.
        """
        if not self.variance or not self.squares:
            return 0
        freedom = max(self.variance * self.variance / self.squares, 1.0)
        return int(WIDENED * t_quantile((1 + confidence) / 2, freedom) * self.variance**0.5) + 1
