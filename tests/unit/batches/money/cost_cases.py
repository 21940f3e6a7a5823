"""Costs that were computed by hand: tokens times the published price of a million, each written out.

Prices: https://platform.claude.com/docs/en/about-claude/pricing (seen 2026-11-21). Batches cost half for all tokens.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

D = Decimal
NOVEMBER = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
SEARCH = D("0.01")  # $10 for 1,000


def mtok(*amounts: D | int) -> D:
    """Return dollars, from tokens times dollars for a million."""
    return sum(amounts, start=D(0)) * D("0.000001")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A usage, and what it costs in dollars; None if that is unknown."""

    name: str
    model: str
    batch: D | None
    live: D | None
    i: int = 0
    o: int = 0
    w5: int = 0
    w1h: int = 0
    read: int = 0
    thinking: int = 0
    searches: int = 0
    fetches: int = 0
    geography: str | None = "global"
    created_at: dt.datetime = NOVEMBER
    given: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.i, self.o, self.w5, self.w1h, self.read, self.thinking, self.searches, self.fetches


def day(year: int, month: int, number: int, hour: int = 12) -> dt.datetime:
    return dt.datetime(year, month, number, hour, tzinfo=dt.UTC)


OPUS, SONNET, HAIKU, FABLE = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2"

CASES = [
    # Every kind of usage. Opus 5.5: $4 input, $20 output, $5 and $8 cache writes, $0.2 reads.
    Case(name="input", model=OPUS, i=1_000, batch=mtok(1_000 * 2), live=mtok(1_000 * 4)),
    Case(name="output", model=OPUS, o=500, batch=mtok(500 * 10), live=mtok(500 * 20)),
    Case(name="write for 5 minutes", model=OPUS, w5=20_000, batch=mtok(20_000 * D("2.5")), live=mtok(20_000 * 5)),
    Case(name="write for an hour", model=OPUS, w1h=20_000, batch=mtok(20_000 * 4), live=mtok(20_000 * 8)),
    Case(name="read at a twentieth", model=OPUS, read=20_000, batch=mtok(20_000 * D("0.1")), live=mtok(4_000)),
    Case(name="searches are not halved", model=OPUS, searches=3, batch=3 * SEARCH, live=3 * SEARCH),
    Case(name="fetches are free", model=OPUS, i=10, fetches=7, batch=mtok(10 * 2), live=mtok(10 * 4)),
    Case(
        name="thinking is a part of the output", model=OPUS, o=500, thinking=400, batch=mtok(5_000), live=mtok(10_000)
    ),
    Case(name="nothing", model=OPUS, batch=D(0), live=D(0)),
    Case(
        name="all kinds at once",
        model=OPUS,
        i=123,
        o=45,
        w5=6_001,
        w1h=7_003,
        read=8_009,
        searches=2,
        batch=mtok(123 * 2, 45 * 10, 6_001 * D("2.5"), 7_003 * 4, 8_009 * D("0.1")) + 2 * SEARCH,
        live=mtok(123 * 4, 45 * 20, 6_001 * 5, 7_003 * 8, 8_009 * D("0.2")) + 2 * SEARCH,
    ),
    Case(
        name="both times to live",
        model="claude-sonnet-4-6",  # $3, $15, $3.75, $6, $0.3
        i=10,
        w5=1_000,
        w1h=3_000,
        batch=mtok(10 * D("1.5"), 1_000 * D("1.875"), 3_000 * 3),
        live=mtok(10 * 3, 1_000 * D("3.75"), 3_000 * 6),
    ),
    # Models, and what reads cost them.
    Case(name="read at a tenth", model="claude-opus-4-8", read=1_000, batch=mtok(1_000 * D("0.25")), live=mtok(500)),
    Case(name="read at a fortieth", model=FABLE, read=1_001, batch=mtok(1_001 * D("0.1")), live=mtok(1_001 * D("0.2"))),
    Case(
        name="Fable 5.1",
        model="claude-fable-5-1",  # $10, $50, read $0.25
        i=7,
        o=3,
        read=1_000,
        batch=mtok(7 * 5, 3 * 25, 1_000 * D("0.125")),
        live=mtok(7 * 10, 3 * 50, 250),
    ),
    Case(name="Sonnet 5.5", model=SONNET, i=9, o=9, read=100, batch=mtok(9, 9 * 5, 5), live=mtok(9 * 2, 9 * 10, 10)),
    Case(
        name="an id with the date of its snapshot",
        model="claude-haiku-4-5-20251001",  # $1, $5
        i=1_000,
        o=100,
        batch=mtok(1_000 * D("0.5"), 100 * D("2.5")),
        live=mtok(1_000, 100 * 5),
    ),
    # Haiku 5.5: five times the price for all tokens of a prompt of more than 100,000.
    Case(
        name="at the step", model=HAIKU, i=100_000, o=10, batch=mtok(5_000, 10 * D("0.25")), live=mtok(10_000, 10 // 2)
    ),
    Case(
        name="above the step",
        model=HAIKU,
        i=100_001,
        o=10,
        batch=mtok(100_001 * D("0.25"), 10 * D("1.25")),
        live=mtok(100_001 * D("0.5"), 10 * D("2.5")),
    ),
    Case(
        name="at the step with the cache",
        model=HAIKU,
        i=1,
        w5=2,
        w1h=3,
        read=99_994,  # 1 + 2 + 3 + 99,994 = 100,000
        batch=mtok(D("0.05"), 2 * D("0.0625"), 3 * D("0.1"), 99_994 * D("0.005")),
        live=mtok(D("0.1"), 2 * D("0.125"), 3 * D("0.2"), 99_994 * D("0.01")),
    ),
    Case(
        name="above the step with the cache",
        model=HAIKU,
        i=1,
        w5=2,
        w1h=3,
        read=99_995,
        batch=mtok(D("0.25"), 2 * D("0.3125"), 3 * D("0.5"), 99_995 * D("0.025")),
        live=mtok(D("0.5"), 2 * D("0.625"), 3 * 1, 99_995 * D("0.05")),
    ),
    Case(
        name="output is no part of the prompt",
        model=HAIKU,
        i=60_000,
        o=60_000,
        batch=mtok(60_000 * D("0.05"), 60_000 * D("0.25")),
        live=mtok(60_000 * D("0.1"), 60_000 * D("0.5")),
    ),
    Case(
        name="a search above the step",
        model=HAIKU,
        i=200_000,
        searches=1,
        batch=mtok(200_000 * D("0.25")) + SEARCH,
        live=mtok(200_000 * D("0.5")) + SEARCH,
    ),
    # Geography: 1.1 times for tokens, not for searches.
    Case(
        name="US",
        model=OPUS,
        geography="us",
        i=1_000,
        o=100,
        w1h=10,
        batch=mtok(1_000 * D("2.2"), 100 * 11, 10 * D("4.4")),
        live=mtok(1_000 * D("4.4"), 100 * 22, 10 * D("8.8")),
    ),
    Case(
        name="US with searches",
        model=OPUS,
        geography="us",
        i=1,
        searches=2,
        batch=mtok(D("2.2")) + 2 * SEARCH,
        live=mtok(D("4.4")) + 2 * SEARCH,
    ),
    Case(
        name="US above the step",
        model=HAIKU,
        geography="us",
        i=100_001,
        batch=mtok(100_001 * D("0.275")),
        live=mtok(100_001 * D("0.55")),
    ),
    Case(name="geography not available", model=OPUS, geography="not_available", i=5, batch=mtok(10), live=mtok(20)),
    Case(name="geography not told", model=OPUS, geography=None, i=5, batch=mtok(10), live=mtok(20)),
    Case(name="unknown geography", model=OPUS, geography="eu", i=5, batch=None, live=None),
    # Days, in UTC. The library has prices of batches from 2026-10-14 on.
    Case(
        name="last day without prices of batches",
        model=OPUS,
        created_at=day(2026, 10, 13, 23),
        i=1_000,
        o=10,
        searches=1,
        batch=mtok(1_000 * 2, 10 * 10) + SEARCH,
        live=mtok(1_000 * 4, 10 * 20) + SEARCH,
    ),
    Case(
        name="first day with prices of batches",
        model=OPUS,
        created_at=day(2026, 10, 14, 0),
        i=1_000,
        o=10,
        searches=1,
        batch=mtok(1_000 * 2, 10 * 10) + SEARCH,
        live=mtok(1_000 * 4, 10 * 20) + SEARCH,
    ),
    Case(
        name="the step before there were prices of batches",
        model=HAIKU,
        created_at=day(2026, 10, 8),
        i=100_001,
        batch=mtok(100_001 * D("0.25")),
        live=mtok(100_001 * D("0.5")),
    ),
    Case(
        name="an old price, with its step at 200,000",
        model="claude-opus-4-6",  # until 2026-03-13: $10 and $37.5 above 200,000
        created_at=day(2026, 3, 12),
        i=200_001,
        o=8,
        batch=mtok(200_001 * 5, 8 * D("18.75")),
        live=mtok(200_001 * 10, 8 * D("37.5")),
    ),
    Case(
        name="the day after that price",
        model="claude-opus-4-6",  # $5, $25
        created_at=day(2026, 3, 13),
        i=200_001,
        o=8,
        batch=mtok(200_001 * D("2.5"), 8 * D("12.5")),
        live=mtok(200_001 * 5, 8 * 25),
    ),
    # Models without prices.
    Case(
        name="retired, in its time",
        model="claude-opus-4-1-20250805",
        created_at=day(2026, 7, 1),
        i=2,
        batch=mtok(15),
        live=mtok(30),
    ),
    Case(name="retired, with no price of batches", model="claude-opus-4-1-20250805", i=2, batch=None, live=None),
    Case(name="a model that the library lacks", model="claude-mythos-5", i=2, batch=None, live=None),
    Case(name="a model of the future", model="claude-opus-6", i=2, batch=None, live=None),
    Case(name="a name that the library takes for another", model="claude-opus-4-10", i=2, batch=None, live=None),
    Case(name="another ending", model="claude-haiku-4-5-fast", i=2, batch=None, live=None),
    # The user's prices.
    Case(
        name="given",
        model=OPUS,
        i=1_000,
        o=100,
        given={OPUS: {"input": "3.4", "output": "17"}},
        batch=mtok(1_000 * D("1.7"), 100 * D("8.5")),
        live=mtok(1_000 * D("3.4"), 100 * 17),
    ),
    Case(
        name="given, with the published multiples for the cache",
        model=OPUS,
        w5=100,
        w1h=10,
        read=1_000,
        given={OPUS: {"input": "3.4", "output": "17"}},
        batch=mtok(100 * D("2.125"), 10 * D("3.4"), 1_000 * D("0.085")),  # 1.25, 2 and 0.05 times 3.4, halved
        live=mtok(100 * D("4.25"), 10 * D("6.8"), 1_000 * D("0.17")),
    ),
    Case(
        name="given, with prices of the cache and a share for batches",
        model=OPUS,
        i=10,
        w5=10,
        w1h=10,
        read=10,
        searches=1,
        given={
            OPUS: {
                "input": 4,
                "output": D(20),
                "cache_write_5m": "4.5",
                "cache_write_1h": 7,
                "cache_read": 0.1,
                "web_search": "8",
                "batch": "0.4",
            }
        },
        batch=mtok(10 * D("1.6"), 10 * D("1.8"), 10 * D("2.8"), 10 * D("0.04")) + D("0.008"),
        live=mtok(10 * 4, 10 * D("4.5"), 10 * 7, 10 * D("0.1")) + D("0.008"),
    ),
    Case(
        name="given, in the US",
        model=OPUS,
        geography="us",
        i=10,
        given={OPUS: {"input": "3.4", "output": "17"}},
        batch=mtok(10 * D("1.87")),
        live=mtok(10 * D("3.74")),
    ),
    Case(
        name="given, on a day of which the library has none",
        model=OPUS,
        created_at=day(2026, 10, 1),
        i=10,
        given={OPUS: {"input": "3.4", "output": "17"}},
        batch=mtok(10 * D("1.7")),
        live=mtok(10 * D("3.4")),
    ),
    Case(
        name="given, with a step",
        model=HAIKU,
        i=50_001,
        o=2,
        searches=1,
        given={HAIKU: {"input": "0.08", "output": "0.4", "above": {"50000": {"input": "0.4", "output": "2"}}}},
        batch=mtok(50_001 * D("0.2"), 2) + SEARCH,
        live=mtok(50_001 * D("0.4"), 2 * 2) + SEARCH,
    ),
    Case(
        name="given for a model that the library lacks",
        model="claude-mythos-5",
        i=2,
        given={"claude-mythos-5": {"input": "10", "output": "50"}},
        batch=mtok(10),
        live=mtok(20),
    ),
    Case(
        name="given for a model whose cache is not known: without the cache",
        model="claude-opus-6",
        i=2,
        o=1,
        given={"claude-opus-6": {"input": "10", "output": "50"}},
        batch=mtok(2 * 5, 25),
        live=mtok(2 * 10, 50),
    ),
    Case(
        name="given for a model whose cache is not known: with the cache",
        model="claude-opus-6",
        i=2,
        read=1,
        given={"claude-opus-6": {"input": "10", "output": "50"}},
        batch=None,
        live=None,
    ),
    Case(
        name="given for another model",
        model=OPUS,
        i=5,
        given={SONNET: {"input": 1, "output": 1}},
        batch=mtok(10),
        live=mtok(20),
    ),
]
