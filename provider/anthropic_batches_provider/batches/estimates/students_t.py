"""Quantiles of Student's t distribution, to the precision that an interval needs; the standard library has none."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_LIKE_NORMAL = 1e6
"""With so many degrees of freedom, the distribution is the normal one."""
_TERMS = 1_000
_SMALL = 1e-300
_PRECISION = 1e-14


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: float) -> float:
    """Return the number that a variable of this distribution stays below with a probability.

    :param probability: at least 0.5, below 1.
    :param freedom: the degrees of freedom, at least 1; they need not be whole.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(f"There is no such quantile: {probability} with {freedom} degrees of freedom.")
    if freedom >= _LIKE_NORMAL:
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, 1.0
    while _below(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        if _below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def _below(t: float, freedom: float) -> float:
    """Return the probability that a variable stays below t, which is positive."""
    return 1 - _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d, c = 1 / _nonzero(1 + term * d), _nonzero(1 + term / c)
            change = c * d
            value *= change
        if abs(change - 1) < _PRECISION:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _SMALL else _SMALL
