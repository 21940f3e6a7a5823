"""Compares the tables on the prompt cache with figures that were computed by hand from the API's prices."""

from __future__ import annotations

import pytest

from tools.prompt_cache_tables import cached_models, cost_by_hit_share


def test_at_a_hit_share_of_30_percent_an_hour_loses_43_percent_and_five_minutes_gain() -> None:
    header, rows = cost_by_hit_share()
    at_30 = list(header).index("30% read")
    assert [row[:2] for row in rows[:2]] == [('`"5m"`', "0.1"), ('`"1h"`', "0.1")]
    assert [row[at_30] for row in rows[:2]] == ["90.5%", "143%"]


@pytest.mark.parametrize(
    ("read", "ttl", "from_share"),
    [
        ("0.1", "5m", "21.7%"), ("0.1", "1h", "52.6%"), ("0.05", "5m", "20.8%"), ("0.05", "1h", "51.3%"),
        ("0.025", "5m", "20.4%"), ("0.025", "1h", "50.6%"),
    ],
)  # fmt: skip
def test_the_hit_share_from_which_a_cache_gains_is_that_of_its_prices(read: str, ttl: str, from_share: str) -> None:
    _, rows = cost_by_hit_share()
    assert [row[-1] for row in rows if tuple(row[:2]) == (f'`"{ttl}"`', read)] == [from_share]


def test_the_costs_without_and_with_all_reads_are_those_of_a_write_and_a_read() -> None:
    header, rows = cost_by_hit_share()
    columns = [list(header).index(f"{share}% read") for share in (0, 100)]
    assert {tuple(row[column] for column in columns) for row in rows if row[1] == "0.1"} == {
        ("125%", "10%"),
        ("200%", "10%"),
    }


def test_models_stand_with_their_minimum_and_with_the_rows_that_a_cache_needs() -> None:
    _, rows = cached_models()
    (haiku,) = (row for row in rows if "`claude-haiku-4-5`" in row[0])
    assert tuple(haiku[1:]) == ("4,096", "0.1", "2", "3")
    (sonnet,) = (row for row in rows if "`claude-sonnet-5-5`" in row[0])
    assert tuple(sonnet[1:]) == ("512", "0.05", "2", "3")
    assert len({name for row in rows for name in row[0].split(", ")}) == sum(row[0].count("`") for row in rows) / 2
