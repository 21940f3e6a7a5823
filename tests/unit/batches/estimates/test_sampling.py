"""Rows are drawn in proportion to their size, independently, and sums over all of them are estimated without bias."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest

from anthropic_batches_provider.batches.estimates.sampling import SizedSample

SIZES = (1, 2, 3, 4, 10)
SEEDS = 4_000


def sample(sizes: Sequence[int], draws: int, seed: str) -> SizedSample[int, int]:
    found: SizedSample[int, int] = SizedSample(draws, seed=seed, keep=lambda row: row)
    for number, size in enumerate(sizes):
        found.add(number, size)
    return found


def chi_square(seen: Counter[object], expected: dict[object, float]) -> float:
    assert seen.keys() <= expected.keys()
    return sum((seen[each] - number) ** 2 / number for each, number in expected.items())


def test_each_draw_finds_a_row_in_proportion_to_its_size_and_independently_of_the_other() -> None:
    pairs: Counter[object] = Counter()
    for seed in range(SEEDS):
        first, second = (draw.row for draw in sample(SIZES, 2, str(seed))._draws())
        pairs[first, second] += 1
    shares = [size / sum(SIZES) for size in SIZES]
    expected: dict[object, float] = {
        (one, two): SEEDS * shares[one] * shares[two] for one in range(len(SIZES)) for two in range(len(SIZES))
    }
    assert chi_square(pairs, expected) < 73  # 24 degrees of freedom: one in a million lies above
    wrong: dict[object, float] = {pair: SEEDS / len(expected) for pair in expected}
    assert chi_square(pairs, wrong) > 1_000, "the test can tell other shares"


def test_as_many_rows_as_draws_are_all_kept_and_exact() -> None:
    found = sample((3, 5, 7), 3, "a")
    assert found.is_complete
    assert list(found.kept()) == [0, 1, 2]
    estimated = found.sum_of(lambda row: 10**row)
    assert (estimated.lower(0.95), estimated.point, estimated.upper(0.95)) == (111, 111, 111)


def test_one_row_more_is_a_sample() -> None:
    found = sample((3, 5, 7, 9), 3, "a")
    assert not found.is_complete
    assert len(found._draws()) == 3


def test_values_in_proportion_to_sizes_are_exact_from_any_sample() -> None:
    sizes = [random.Random(1).randrange(1, 1_000) for _ in range(500)]
    estimated = sample(sizes, 5, "a").sum_of(lambda row: 7 * sizes[row])
    assert (estimated.point, estimated.variance) == (7 * sum(sizes), 0)


def test_no_rows_are_nothing() -> None:
    assert sample((), 3, "a").sum_of(lambda row: 1).point == 0


@pytest.mark.parametrize("draws", [1, 0])
def test_one_draw_shows_no_spread(draws: int) -> None:
    with pytest.raises(ValueError, match="2 draws at least"):
        sample((), draws, "a")


def test_an_estimate_is_the_total_size_times_the_mean_by_size() -> None:
    values = (5, 1, 9, 2, 30)
    found = sample(SIZES, 3, "by hand")
    rows = [draw.row for draw in found._draws()]
    by_hand = Fraction(20, 3) * sum(Fraction(values[row], SIZES[row]) for row in rows)
    assert found.sum_of(lambda row: values[row]).point == round(by_hand)


def test_heavy_tails_are_estimated_without_bias() -> None:
    draw = random.Random(7)
    sizes = [int(100 * draw.paretovariate(1.1)) for _ in range(2_000)]
    values = [size // 4 + draw.randrange(50) for size in sizes]
    truth, trials = sum(values), 300
    found = [sample(sizes, 20, str(seed)).sum_of(lambda row: values[row]).point for seed in range(trials)]
    mean = sum(found) / trials
    error = math.sqrt(sum((each - mean) ** 2 for each in found) / (trials - 1) / trials)
    assert abs(mean - truth) < 5 * error
    assert error < truth / 100


def test_equal_rows_and_seeds_give_the_same_sample_and_another_seed_another_one() -> None:
    sizes = [1 + number % 17 for number in range(1_000)]
    first = list(sample(sizes, 20, "a").kept())
    assert list(sample(sizes, 20, "a").kept()) == first
    assert list(sample(sizes, 20, "b").kept()) != first


def test_a_row_is_kept_once_however_often_it_is_drawn() -> None:
    kept: list[int] = []

    def keep(row: int) -> int:
        kept.append(row)
        return row

    found: SizedSample[int, int] = SizedSample(10, seed="a", keep=keep)
    for number, size in enumerate([1] * 50 + [1_000_000] + [1] * 50):
        found.add(number, size)
    assert len(set(kept)) == len(kept) < 101
    assert list(found.kept()) == [50]
    assert found.sum_of(lambda row: 1_000_100).point == 1_000_200
