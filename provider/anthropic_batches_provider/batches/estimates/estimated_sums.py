"""A sum that is known from a sample: its point estimate, and how far it may be off.

Invariant: such sums are of independent samples, so that their variances and third moments add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from anthropic_batches_provider.batches.estimates.students_t import t_quantile

WIDENED = 1.25
"""Intervals are widened by this factor: few draws from a skewed distribution vary more than they show."""


@dataclass(frozen=True, slots=True)
class EstimatedSum:
    """A sum, exact or estimated.

    :param point: the estimate.
    :param variance: of the estimate; 0 if it is exact.
    :param third: its third central moment: above 0 if some values are far above the others.
    :param squares: the sum over the samples of their variance squared, by their degrees of freedom.
    """

    point: int = 0
    variance: float = 0.0
    third: float = 0.0
    squares: float = 0.0

    @classmethod
    def exact(cls, point: int) -> EstimatedSum:
        """Return a sum over all rows."""
        return cls(point)

    @classmethod
    def of_mean(cls, point: int, values: Sequence[float], *, predicted: float = 0.0) -> EstimatedSum:
        """Return a sum that is estimated by the mean of independent values.

        :param values: each of them alone would be an estimate of the sum; at least two.
        :param predicted: the variance of the sum itself around its expected value, in variances of a value.
        """
        size = len(values)
        mean = fmean(values)
        deviations = [value - mean for value in values]
        of_a_value = sum(each**2 for each in deviations) / (size - 1)
        third = sum(each**3 for each in deviations) / size
        variance = of_a_value * (1 / size + predicted)
        return cls(point, variance, third * (1 / size**2 + predicted**2), variance**2 / (size - 1))

    def __add__(self, other: EstimatedSum) -> EstimatedSum:
        return EstimatedSum(
            self.point + other.point,
            self.variance + other.variance,
            self.third + other.third,
            self.squares + other.squares,
        )

    def lower(self, confidence: float) -> int:
        """Return the lower end of the interval in which the true sum lies with a confidence."""
        return self.point - self._reach(confidence, -self.third)

    def upper(self, confidence: float) -> int:
        """Return the upper end of the interval in which the true sum lies with a confidence."""
        return self.point + self._reach(confidence, self.third)

    def _reach(self, confidence: float, third: float) -> int:
        """Return how far the interval reaches to one side, rounded up.

        The degrees of freedom are those of Welch and Satterthwaite. To the side of the long tail it reaches further by
        Johnson's term for a skewed mean (Journal of the American Statistical Association 73, 1978), since a sample
        mostly lacks the few values there.

        :param third: the third moment; above 0 if the long tail is on this side.
        """
        if self.variance <= 0 or self.squares <= 0:
            return 0
        t = WIDENED * t_quantile((1 + confidence) / 2, max(self.variance**2 / self.squares, 1.0))
        skewness = max(third / self.variance**1.5, 0.0)
        return int((t + skewness * (1 + 2 * t * t) / 6) * self.variance**0.5) + 1
