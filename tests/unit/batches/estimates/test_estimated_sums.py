from __future__ import annotations

import math

import pytest

from anthropic_batches_provider.batches.estimates.estimated_sums import WIDENED, EstimatedSum
from anthropic_batches_provider.batches.estimates.students_t import t_quantile


def test_an_exact_sum_has_no_interval() -> None:
    exact = EstimatedSum.exact(7) + EstimatedSum.exact(5)
    assert (exact.lower(0.95), exact.point, exact.upper(0.95)) == (12, 12, 12)


def test_the_interval_of_a_symmetric_sample_by_hand() -> None:
    found = EstimatedSum.of_mean(10_000, [9_000.0, 10_000.0, 11_000.0])
    reach = 1.25 * 4.3027 * 1_000 / math.sqrt(3)  # t with 2 degrees of freedom
    assert found.upper(0.95) == pytest.approx(10_000 + reach, abs=2)
    assert found.lower(0.95) == pytest.approx(10_000 - reach, abs=2)


def test_the_side_of_the_long_tail_is_further() -> None:
    high = EstimatedSum.of_mean(280, [100.0] * 9 + [1_900.0])
    low = EstimatedSum.of_mean(1_720, [1_900.0] * 9 + [100.0])
    assert high.upper(0.95) - 280 == 1_720 - low.lower(0.95) > 1.5 * (280 - high.lower(0.95))


def test_independent_errors_add_as_squares_and_their_freedom_as_welch_and_satterthwaite_say() -> None:
    values = [9_000.0, 10_000.0, 11_000.0]
    two = EstimatedSum.of_mean(10_000, values) + EstimatedSum.of_mean(10_000, values)
    assert two.point == 20_000
    assert two.variance == pytest.approx(2 * 1_000_000 / 3)
    assert two.upper(0.95) - 20_000 == pytest.approx(WIDENED * t_quantile(0.975, 4) * math.sqrt(two.variance), abs=2)


def test_a_higher_confidence_is_wider() -> None:
    found = EstimatedSum.of_mean(10, [9.0, 10.0, 12.0])
    assert found.upper(0.5) < found.upper(0.9) < found.upper(0.99)


def test_what_is_predicted_varies_beside_its_mean() -> None:
    values = [9_000.0, 10_000.0, 11_000.0]
    assert EstimatedSum.of_mean(10_000, values, predicted=1.0).variance == pytest.approx(1_000_000 * (1 / 3 + 1))
