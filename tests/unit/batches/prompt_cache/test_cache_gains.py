"""What a prompt cache gained or lost, in tokens of plain input, against the arithmetic of the published prices."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.prompt_cache.cache_gains import CacheGains, gains_by_batch, gains_of
from anthropic_batches_provider.batches.prompt_cache.cache_rules import CacheTtl
from anthropic_batches_provider.batches.prompt_cache.cache_uses import CacheUse
from anthropic_batches_provider.batches.prompt_cache.cached_models import CachingOfModel

ROWS, PREFIX = 1_000, 20_000
PLAIN = ROWS * PREFIX
SONNET, OPUS, FABLE, UNHEARD_OF = "sonnet", "opus", "fable", "unheard-of"
READS = {SONNET: 0.1, OPUS: 0.05, FABLE: 0.025}


def caching(model: str) -> CachingOfModel | None:
    """Return how a model of this file caches: the three prices of a read that there are."""
    return CachingOfModel(least_tokens=1_024, read=READS[model]) if model in READS else None


def contracts(hits: int, ttl: CacheTtl = "1h") -> CacheUse:
    """Return the use of 1,000 contracts that share 20,000 tokens, of which so many were read."""
    written = (ROWS - hits) * PREFIX
    return CacheUse(
        requests=ROWS,
        written_1h=written if ttl == "1h" else 0,
        written_5m=written if ttl == "5m" else 0,
        read=hits * PREFIX,
    )


@pytest.mark.parametrize(
    ("hits", "ttl", "model", "share_of_plain"),
    [
        (0, "1h", SONNET, 2.0),  # a cold batch: it costs twice as much as no cache
        (300, "1h", SONNET, 1.43),
        (526, "1h", SONNET, 1.0006),  # the break-even is at 52.6%
        (527, "1h", SONNET, 0.9987),
        (980, "1h", SONNET, 0.138),
        (999, "1h", SONNET, 0.1019),  # primed by its first row
        (0, "5m", SONNET, 1.25),
        (300, "5m", SONNET, 0.905),
        (980, "5m", SONNET, 0.123),
        (300, "1h", OPUS, 1.415),
        (980, "1h", OPUS, 0.089),
        (300, "1h", FABLE, 1.4075),
        (980, "1h", FABLE, 0.0645),
        (1_000, "1h", SONNET, 0.1),  # the entry of an earlier job lived
    ],
)
def test_a_thousand_contracts_cost_what_the_prices_say(
    hits: int, ttl: CacheTtl, model: str, share_of_plain: float
) -> None:
    gains = gains_of({model: contracts(hits, ttl)}, ttl, caching=caching)
    assert (gains.requests, gains.tokens) == (ROWS, PLAIN)
    assert gains.hit_share == hits / ROWS
    assert gains.saved_tokens == round(PLAIN * (1 - share_of_plain))
    assert gains.loses is (share_of_plain > 1)


@pytest.mark.parametrize(("ttl", "write"), [("1h", 2.0), ("5m", 1.25)])
def test_the_least_possible_is_one_write_and_reads_by_all_others(ttl: CacheTtl, write: float) -> None:
    for hits, writes_too_many in ((1_000, 0), (999, 0), (998, 1), (300, 699), (0, 999)):
        gains = gains_of({SONNET: contracts(hits, ttl)}, ttl, caching=caching)
        assert gains.above_least_tokens == round(writes_too_many * PREFIX * (write - 0.1))


def test_a_model_that_is_not_known_has_no_gain_and_no_loss() -> None:
    known = gains_of({SONNET: contracts(0)}, "1h", caching=caching)
    gains = gains_of({SONNET: contracts(0), UNHEARD_OF: contracts(0)}, "1h", caching=caching)
    assert (known.saved_tokens, known.above_least_tokens) == (-PLAIN, 37_962_000)
    assert (gains.saved_tokens, gains.above_least_tokens, gains.loses) == (None, None, False)
    assert (gains.written_tokens, gains.hit_share) == (2 * PLAIN, 0.0)


def test_a_model_that_is_not_known_says_nothing_of_others_if_it_used_no_cache() -> None:
    gains = gains_of({SONNET: contracts(980), "unknown": CacheUse()}, "1h", caching=caching)
    assert gains == gains_of({SONNET: contracts(980)}, "1h", caching=caching)


def test_each_model_has_a_cache_of_its_own_and_so_one_write_that_cannot_be_avoided() -> None:
    uses = {SONNET: contracts(999), OPUS: contracts(999)}
    gains = gains_of(uses, "1h", caching=caching)
    each = [gains_of({model: use}, "1h", caching=caching) for model, use in uses.items()]
    assert gains.saved_tokens == sum(one.saved_tokens or 0 for one in each)
    assert gains.above_least_tokens == 0


def test_writes_for_another_time_than_the_job_asked_for_cost_their_own_price() -> None:
    use = CacheUse(requests=2, written_1h=100, written_5m=100)
    gains = gains_of({SONNET: use}, "1h", caching=caching)
    assert (gains.written_tokens, gains.saved_tokens) == (200, 200 - 200 - 125)
    assert gains.above_least_tokens == 200 + 125 - (200 + 10)


def test_without_an_answer_there_is_neither_share_nor_gain() -> None:
    for uses in ({}, {SONNET: CacheUse()}, {UNHEARD_OF: CacheUse(requests=3)}):
        gains = gains_of(uses, "1h", caching=caching)
        assert (gains.tokens, gains.hit_share, gains.saved_tokens, gains.above_least_tokens) == (0, None, 0, 0)
        assert not gains.loses


def test_by_batch_the_first_that_writes_may_write_once_and_the_sums_are_those_of_the_job() -> None:
    one, rest = CacheUse(requests=1, written_1h=PREFIX), CacheUse(requests=499, read=499 * PREFIX)
    cold = CacheUse(requests=500, written_1h=500 * PREFIX)
    batches = {"none": {}, "reads": {SONNET: rest}, "primer": {SONNET: one}, "cold": {SONNET: cold}}
    told = {gains.batch_id: gains for gains in gains_by_batch(batches, "1h", caching=caching)}
    assert list(told) == ["none", "reads", "primer", "cold"]
    assert [gains.hit_share for gains in told.values()] == [None, 1.0, 0.0, 0.0]
    assert [gains.saved_tokens for gains in told.values()] == [0, 8_982_000, -PREFIX, -500 * PREFIX]
    assert [gains.above_least_tokens for gains in told.values()] == [0, 0, 0, 19_000_000]
    job = gains_of({SONNET: one + rest + cold}, "1h", caching=caching)
    for name in ("requests", "written_tokens", "read_tokens", "saved_tokens", "above_least_tokens"):
        assert sum(getattr(gains, name) for gains in told.values()) == getattr(job, name)


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        (
            gains_of({SONNET: contracts(999)}, "1h", caching=caching),
            "20,000 tokens written, 19,980,000 read (hit share 99.9%), 17,962,000 tokens of plain input saved (89.8%)",
        ),
        (
            gains_of({SONNET: contracts(300)}, "1h", caching=caching),
            "14,000,000 tokens written, 6,000,000 read (hit share 30.0%), 8,600,000 tokens of plain input lost (43.0%)",
        ),
        (
            gains_of({UNHEARD_OF: contracts(0)}, "1h", caching=caching),
            "20,000,000 tokens written, 0 read (hit share 0.0%), saved tokens unknown: the model's prices are unknown",
        ),
        (CacheGains(requests=7), "nothing was written to or read from the cache"),
    ],
)
def test_a_line_says_what_happened(gains: CacheGains, said: str) -> None:
    assert str(gains) == said


def test_only_a_share_of_all_is_called_100_percent() -> None:
    nearly = CacheUse(requests=100_000, written_1h=1, read=99_999)
    assert "(hit share 99.9%)" in str(gains_of({SONNET: nearly}, "1h", caching=caching))
    assert "(hit share 100.0%)" in str(gains_of({SONNET: CacheUse(requests=1, read=5)}, "1h", caching=caching))
