from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.estimates.students_t import t_quantile


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [
        # Printed tables: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm (seen 2026-11-29)
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 5, 2.571),
        (0.975, 15, 2.131),
        (0.975, 49, 2.010),
        (0.975, 100, 1.984),
        (0.95, 30, 1.697),
        (0.995, 10, 3.169),
        (0.999, 3, 10.215),
        (0.975, 1e9, 1.960),
    ],
)
def test_it_agrees_with_printed_tables(probability: float, freedom: float, quantile: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(quantile, abs=6e-4)


def test_between_whole_degrees_of_freedom_it_falls_steadily() -> None:
    found = [t_quantile(0.975, 1 + step / 10) for step in range(500)]
    assert found == sorted(found, reverse=True)


def test_the_middle_is_zero() -> None:
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("probability", "freedom"), [(0.4, 5), (1.0, 5), (0.9, 0.5)])
def test_other_quantiles_are_refused(probability: float, freedom: float) -> None:
    with pytest.raises(ValueError, match="There is no such quantile"):
        t_quantile(probability, freedom)
