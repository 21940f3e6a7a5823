"""Small estimates, computed by hand: with no more rows than draws, everything but the answers is exact."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from anthropic_batches_provider.batches.estimates import (
    Bounds,
    Estimate,
    EstimatedJob,
    Estimator,
    FromPilot,
    OutputExpectation,
    Share,
)
from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.prompt_cache import PromptCache
from anthropic_batches_provider.batches.repairs import Repair
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.errors import ApiConnectionError, ApiError, ApiStatusError, ConfigurationError
from tests.unit.batches.estimates.estimate_world import CHEAP, DEAR, STEPPED, UNKNOWN, FreeService, estimator, row

ROWS = [row(0, 2), row(1, 3), row(2, 5)]  # 10 tokens, and at most 300 of answers
IN, OUT, WRITE, READ = 100, 500, 200, 10
HOUR = PromptCache(ttl="1h")


@pytest.fixture
def service() -> FreeService:
    return FreeService()


@pytest.fixture
def engine(service: FreeService, tmp_path: Path) -> Estimator:
    return estimator(service, tmp_path)


def costs(estimate: Estimate) -> tuple[int, int, int, int]:
    assert estimate.cost is not None
    return estimate.cost.low, estimate.cost.expected, estimate.cost.high, estimate.cost.bound


def with_output(output: OutputExpectation, **others: Any) -> EstimatedJob:
    return EstimatedJob(output=output, **others)


# ----------------------------------------------------------------------------------------------------- the answers


def test_without_knowledge_of_the_answers_the_bound_is_expected(engine: Estimator) -> None:
    found = engine.estimate(ROWS, EstimatedJob(), seed="a")
    bound = 10 * IN + 300 * OUT
    assert costs(found) == (10 * IN, bound, bound, bound)
    assert found.live == 2 * bound
    assert found.input_tokens == Bounds(low=10, expected=10, high=10, bound=10)
    assert found.output_tokens == Bounds(low=0, expected=300, high=300, bound=300)
    assert (found.rows, found.sampled_rows, found.counted_calls, found.batches, found.days) == (3, 3, 3, 1, 1)
    assert len(found.caveats) == 1
    assert "length of the answers is not known" in found.caveats[0]


def test_a_share_moves_what_is_expected(engine: Estimator) -> None:
    found = engine.estimate(ROWS, with_output(Share(0.25)), seed="a")
    assert costs(found) == (10 * IN, 10 * IN + 75 * OUT, 10 * IN + 300 * OUT, 10 * IN + 300 * OUT)
    assert found.live == 2 * (10 * IN + 75 * OUT)
    assert found.output_tokens.expected == 75
    assert "takes 0.25 of max_tokens" in found.caveats[0]


def test_a_pilot_shows_the_mean_and_the_spread(engine: Estimator) -> None:
    answers = tuple(range(20, 40))  # mean 29.5, variance 35, symmetric
    found = engine.estimate(ROWS, with_output(FromPilot(answers, f"{CHEAP}-20261001")), seed="a")
    low, expected, high, bound = costs(found)
    assert expected == 10 * IN + round(3 * 29.5 * OUT)
    # The mean of 20 answers, and 3 rows around it; Student's t with 19 degrees of freedom, widened.
    reach = 1.25 * 2.093 * 3 * OUT * math.sqrt(35 * (1 / 20 + 1 / 3))
    assert high - expected == pytest.approx(reach, rel=1e-3)
    assert expected - low == pytest.approx(reach, rel=1e-3)
    assert bound == 10 * IN + 300 * OUT
    assert found.live == 2 * expected
    assert not found.caveats


def test_with_a_pilot_too_the_bound_is_the_highest_figure(engine: Estimator) -> None:
    found = engine.estimate(ROWS, with_output(FromPilot((1, 200) * 10, CHEAP)), seed="a")
    low, expected, high, bound = costs(found)
    assert low <= expected == 10 * IN + round(3 * 50.5 * OUT)
    assert high == bound == 10 * IN + 300 * OUT


@pytest.mark.parametrize(
    ("pilot", "told"),
    [
        (FromPilot((5, 6) * 7, CHEAP, "job-1"), "that of only 14 answers of job-1"),
        (FromPilot((5,) * 20, CHEAP, "job-1"), "All 20 answers of job-1 have the same length"),
        (FromPilot((5, 6) * 10, DEAR, "job-1"), f"seen with {DEAR} of job-1, and not with {CHEAP}"),
        (FromPilot((5, 6) * 10, CHEAP, "job-1", 2), "2 answers of job-1 were cut"),
        (FromPilot((5, 6) * 10, CHEAP, "", 1), "1 answer was cut"),
    ],
)
def test_what_a_pilot_does_not_show_is_said(engine: Estimator, pilot: FromPilot, told: str) -> None:
    (caveat,) = engine.estimate(ROWS, with_output(pilot), seed="a").caveats
    assert told in caveat


# ------------------------------------------------------------------------------------------------------ the prices


def test_each_model_has_its_own_price_and_sample(engine: Estimator) -> None:
    rows = [row(0, 4), row(1, 4, model=DEAR), row(2, 4, model=DEAR)]
    found = engine.estimate(rows, with_output(Share(0.1)), seed="a")
    cheap, dear = 4 * IN + 10 * OUT, 4 * (8 * IN + 20 * OUT)
    assert found.cost is not None
    assert found.cost.expected == cheap + dear
    by_model = {model: each.cost(0.95) for model, each in found.models.items()}
    assert {model: cost and cost.expected for model, cost in by_model.items()} == {CHEAP: cheap, DEAR: dear}


def test_all_tokens_of_a_long_prompt_have_the_price_of_its_step(engine: Estimator) -> None:
    rows = [row(0, 100, model=STEPPED), row(1, 101, model=STEPPED)]
    found = engine.estimate(rows, with_output(Share(0.1)), seed="a")
    assert costs(found) == (
        100 * IN + 101 * 3 * IN,
        100 * IN + 101 * 3 * IN + 10 * OUT + 10 * 3 * OUT,
        100 * IN + 101 * 3 * IN + 100 * OUT + 100 * 3 * OUT,
        100 * IN + 101 * 3 * IN + 100 * OUT + 100 * 3 * OUT,
    )
    assert found.live == 2 * costs(found)[1]


def test_with_a_pilot_answers_to_long_prompts_have_that_price_too(engine: Estimator) -> None:
    found = engine.estimate([row(0, 101, model=STEPPED)], with_output(FromPilot((20,) * 20)), seed="a")
    assert costs(found)[1] == 101 * 3 * IN + 20 * 3 * OUT


def test_the_geography_us_costs_a_tenth_more(engine: Estimator) -> None:
    found = engine.estimate([row(0, 10, inference_geo="us"), row(1, 10)], with_output(Share(0.1)), seed="a")
    assert costs(found)[1] * 10 == (11 + 10) * (10 * IN + 10 * OUT)


def test_a_model_without_a_price_is_left_out_and_named(engine: Estimator) -> None:
    found = engine.estimate([row(0, 4), row(1, 4, model=UNKNOWN)], with_output(Share(0.1)), seed="a")
    assert found.at_least
    assert costs(found)[1] == 4 * IN + 10 * OUT
    assert found.input_tokens.expected == 8
    assert found.models[UNKNOWN].cost(0.95) is None
    told = next(caveat for caveat in found.caveats if "not in the figures" in caveat)
    assert told.startswith(f"The cost of 1 row is not in the figures. Nobody knows the price of `{UNKNOWN}`.")
    assert "`prices=`" in told


def test_if_no_model_has_a_price_there_is_no_cost(engine: Estimator) -> None:
    found = engine.estimate([row(0, 4, model=UNKNOWN)], EstimatedJob(), seed="a")
    assert (found.cost, found.live, found.at_least) == (None, None, True)


# ------------------------------------------------------------------------------------------------- the prompt cache

PREFIX = 600
SYSTEM = " ".join(["guide"] * PREFIX)


def cached_rows(count: int, system: str = SYSTEM) -> list[PreparedRow]:
    return [row(number, 2, system=system) for number in range(count)]


def cached(count: int, **others: Any) -> EstimatedJob:
    return EstimatedJob(cache=HOUR, output=FromPilot((10,) * 20), **others)


def test_one_row_writes_the_prefix_and_the_others_read_it(engine: Estimator) -> None:
    found = engine.estimate(cached_rows(10), cached(10), seed="a")
    rest = 10 * 2 * IN + 10 * 10 * OUT
    assert costs(found) == (
        rest + PREFIX * (WRITE + 9 * READ),
        rest + PREFIX * (WRITE + 9 * READ),
        rest + PREFIX * WRITE * 10,
        10 * 2 * IN + 10 * 100 * OUT + PREFIX * WRITE * 10,
    )
    assert found.live == 2 * costs(found)[1]
    assert found.input_tokens.expected == 10 * (PREFIX + 2)
    assert "share 600 tokens" in found.caveats[1]
    assert "has 1 row write it" in found.caveats[1]


def test_each_shard_has_a_row_that_writes(engine: Estimator) -> None:
    found = engine.estimate(cached_rows(10), cached(10, limits=ShardLimits(max_requests=4)), seed="a")
    rest = 10 * 2 * IN + 10 * 10 * OUT
    assert costs(found)[:2] == (rest + PREFIX * (WRITE + 9 * READ), rest + PREFIX * (3 * WRITE + 7 * READ))
    assert found.batches == 3 + 3 + 2


def test_without_a_pilot_every_row_is_expected_to_write(engine: Estimator) -> None:
    found = engine.estimate(cached_rows(10), cached(10, pilot=0), seed="a")
    rest = 10 * 2 * IN + 10 * 10 * OUT
    assert costs(found)[:3] == (
        rest + PREFIX * (WRITE + 9 * READ),
        rest + PREFIX * WRITE * 10,
        rest + PREFIX * WRITE * 10,
    )
    assert "with pilot=0" in found.caveats[1]


def test_the_prefix_adds_nothing_to_the_error_of_a_sample(engine: Estimator) -> None:
    words = [1 + number * number % 97 for number in range(1_000)]
    rows = [row(number, count, system=SYSTEM) for number, count in enumerate(words)]
    found = engine.estimate(rows, cached(1_000), seed="a")
    own = found.input_tokens.expected - 1_000 * PREFIX
    assert own == pytest.approx(sum(words), rel=0.15)
    assert found.input_tokens.high - found.input_tokens.expected < 0.2 * sum(words)
    assert costs(found)[2] - costs(found)[1] == pytest.approx(999 * PREFIX * (WRITE - READ), rel=0.01)


def test_a_refused_row_has_no_prefix_either(tmp_path: Path) -> None:
    found = estimator(FreeService(refused="word 9"), tmp_path).estimate(cached_rows(10), cached(10), seed="a")
    assert costs(found)[1] == 9 * 2 * IN + 9 * 10 * OUT + PREFIX * (WRITE + 8 * READ)
    assert found.input_tokens.expected == 9 * (PREFIX + 2)


@pytest.mark.parametrize("pilot", ["auto", 0])
def test_rows_of_several_kinds_share_the_prefix_and_who_writes_it(engine: Estimator, pilot: Literal["auto", 0]) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    params = {"model": CHEAP, "max_tokens": 100, "system": SYSTEM, "messages": [{"role": "user", "content": [image]}]}
    rows = [*cached_rows(9), PreparedRow(9, b"{}", json.dumps(params, separators=(",", ":")).encode())]
    found = engine.estimate(rows, cached(10, pilot=pilot), seed="a")
    rest = (9 * 2 + 1_000) * IN + 10 * 10 * OUT
    one_writes, all_write = rest + PREFIX * (WRITE + 9 * READ), rest + PREFIX * WRITE * 10
    assert costs(found)[:3] == (one_writes, one_writes if pilot else all_write, all_write)
    assert found.live == 2 * costs(found)[1]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (cached_rows(10, system="a short guide"), f"{CHEAP} caches no prefix below 512"),
        (cached_rows(1), "there are fewer than"),
    ],
)
def test_a_cache_that_cannot_pay_is_not_in_the_figures(engine: Estimator, rows: list[PreparedRow], why: str) -> None:
    found, plain = (engine.estimate(rows, job, seed="a") for job in (cached(10), with_output(FromPilot((10,) * 20))))
    assert costs(found) == costs(plain)
    assert why in found.caveats[1]
    assert found.caveats[1].endswith("The figures are without it.")


def test_a_prefix_that_cannot_be_counted_is_plain_input(tmp_path: Path) -> None:
    service = FreeService(failures=[ApiStatusError("a page", status=404)])
    found = estimator(service, tmp_path).estimate(cached_rows(10), cached(10), seed="a")
    answers, tokens = 10 * 10 * OUT, 10 * (PREFIX + 2)
    assert costs(found)[:3] == (answers + tokens * READ, answers + tokens * IN, answers + tokens * WRITE)
    assert [caveat for caveat in found.caveats if "cache" in caveat] == [found.caveats[1]]
    assert found.caveats[1].startswith("The tokens that the rows share could not be counted")


def test_a_prefix_that_differs_is_refused_as_a_submission_does(engine: Estimator) -> None:
    rows = [*cached_rows(10), row(10, 2, system=SYSTEM + " more")]
    with pytest.raises(ConfigurationError, match="Row 10"):
        engine.estimate(rows, cached(11), seed="a")


def test_marks_of_the_rows_own_may_write_or_read(engine: Estimator) -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    rows = [row(0, 1, system=[{"type": "text", "text": "w " * 9, "cache_control": mark}])]
    found = engine.estimate(rows, with_output(FromPilot((10,) * 20)), seed="a")
    assert costs(found)[:3] == (10 * READ + 10 * OUT, 10 * IN + 10 * OUT, 10 * WRITE + 10 * OUT)
    assert "1 sampled row has its own `cache_control`" in found.caveats[1]


# ------------------------------------------------------------------------------------------------------- the rows


def test_rows_that_the_api_refuses_cost_nothing_but_in_the_bound(tmp_path: Path) -> None:
    rows = [row(0, 3), row(1, 3, system="forbidden"), row(2, 3)]
    found = estimator(FreeService(refused="forbidden"), tmp_path).estimate(rows, with_output(Share(0.1)), seed="a")
    assert costs(found) == (
        6 * IN,
        6 * IN + 20 * OUT,
        6 * IN + 200 * OUT,
        (6 + len(rows[1].params)) * IN + 300 * OUT,
    )
    assert found.output_tokens == Bounds(low=0, expected=20, high=200, bound=300)
    told = next(caveat for caveat in found.caveats if "refuses" in caveat)
    assert "1 of 3 sampled rows, for example row 1 " in told
    assert "400: messages: wrong" in told


@pytest.mark.parametrize("count", [3, 200])
def test_a_job_whose_rows_are_all_refused_is_not_told_to_cost_nothing(tmp_path: Path, count: int) -> None:
    rows = [row(number, 3) for number in range(count)]
    found = estimator(FreeService(refused="word"), tmp_path).estimate(rows, with_output(Share(0.1)), seed="a")
    assert (found.cost, found.live, found.at_least, found.rows) == (None, None, True, count)
    (told,) = [caveat for caveat in found.caveats if "Every sampled row is refused" in caveat]
    assert f"all {count} rows" in told
    assert not any("prices=" in caveat for caveat in found.caveats)


def test_with_a_pilot_refused_rows_have_no_answers_either(tmp_path: Path) -> None:
    rows = [row(0, 3), row(1, 3, system="forbidden"), row(2, 3)]
    job = with_output(FromPilot((10,) * 20))
    found = estimator(FreeService(refused="forbidden"), tmp_path).estimate(rows, job, seed="a")
    assert costs(found)[1] == 6 * IN + 20 * OUT
    assert found.output_tokens.expected == 20


def test_invalid_rows_are_counted_and_cost_nothing(engine: Estimator) -> None:
    rows: list[PreparedRow | InvalidRow] = [invalid_row(0, "no text", b"{}"), *ROWS[1:], row(3, 500)]
    found = engine.estimate(rows, with_output(Share(0.1), limits=ShardLimits(max_bytes=1_000)), seed="a")
    assert (found.rows, found.invalid_rows) == (2, 2)
    assert costs(found)[1] == 8 * IN + 20 * OUT
    assert "2 rows cannot be sent, and are not in the figures. The first: no text" in found.caveats


def test_a_row_that_is_too_long_for_a_batch_is_named(engine: Estimator) -> None:
    found = engine.estimate([row(7, 500)], EstimatedJob(limits=ShardLimits(max_bytes=1_000)), seed="a")
    assert costs(found) == (0, 0, 0, 0)
    assert found.caveats == (
        "1 row cannot be sent, and is not in the figures. The first: Row 7 (the first is 0) is too long for a batch.",
    )


def test_no_rows_cost_nothing(engine: Estimator, service: FreeService) -> None:
    found = engine.estimate([], EstimatedJob(), seed="a")
    assert costs(found) == (0, 0, 0, 0)
    assert (found.live, found.rows, found.batches, found.days, found.caveats) == (0, 0, 0, 0, ())
    assert not service.counted


def with_image(number: int) -> PreparedRow:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * (number % 7 * 999)}}
    content = [image, {"type": "text", "text": "What is it?"}]
    params = {"model": CHEAP, "max_tokens": 10, "messages": [{"role": "user", "content": content}]}
    return PreparedRow(number, b"{}", json.dumps(params).encode())


def test_rows_with_images_have_a_sample_of_their_own(engine: Estimator) -> None:
    rows = [row(number, 5, max_tokens=10) for number in range(200)] + [with_image(number) for number in range(200, 300)]
    found = engine.estimate(rows, EstimatedJob(), seed="a")
    assert found.input_tokens.expected == 200 * 5 + 100 * 1_003
    assert 60 < found.sampled_rows <= 100


def test_a_sample_is_counted_and_the_sum_lies_in_its_interval(engine: Estimator, service: FreeService) -> None:
    words = [1 + number * number % 97 for number in range(2_000)]
    rows = [row(number, count) for number, count in enumerate(words)]
    found = engine.estimate(rows, with_output(Share(0.5)), seed="a")
    assert found.input_tokens.low < sum(words) < found.input_tokens.high
    assert found.input_tokens.low < found.input_tokens.expected < found.input_tokens.high
    assert found.sampled_rows == found.counted_calls == len(service.counted) <= 50
    assert costs(found)[0] == pytest.approx(found.input_tokens.low * IN, rel=1e-3)


def test_equal_rows_and_seeds_give_equal_estimates(service: FreeService, tmp_path: Path) -> None:
    rows = [row(number, 1 + number % 97) for number in range(500)]
    one, two, other = (
        estimator(service, tmp_path).estimate(rows, EstimatedJob(), seed=seed) for seed in ("a", "a", "b")
    )
    assert one == two
    assert one != other


def test_rows_of_equal_content_are_counted_once(engine: Estimator, service: FreeService) -> None:
    first = engine.estimate(ROWS, EstimatedJob(), seed="a")
    second = engine.estimate(ROWS, EstimatedJob(), seed="b")
    assert (first.counted_calls, second.counted_calls) == (3, 0)
    assert costs(first) == costs(second)
    assert service.looked_up == [CHEAP]


def test_rows_are_closed_and_long_ones_leave_no_file(service: FreeService, tmp_path: Path) -> None:
    closed = []

    def source() -> Iterator[PreparedRow]:
        try:
            yield from [row(number, 60_000) for number in range(4)]
        finally:
            closed.append(True)

    found = estimator(service, tmp_path, sample_rows=2).estimate(source(), EstimatedJob(), seed="a")
    assert found.input_tokens.expected == 4 * 60_000
    assert closed == [True]
    assert not list(tmp_path.iterdir())


def test_an_outage_is_an_error_and_closes_the_rows(tmp_path: Path) -> None:
    error = ApiConnectionError("nobody answers", connected=False)
    with pytest.raises(ApiError, match="nobody answers"):
        estimator(FreeService(failures=[error] * 100), tmp_path).estimate(ROWS, EstimatedJob(), seed="a")


# ---------------------------------------------------------------------------------------------------- the caveats


def caveats_of(engine: Estimator, rows: Sequence[PreparedRow] = ROWS, **job: Any) -> list[str]:
    found = engine.estimate(rows, with_output(FromPilot((10, 11) * 10, CHEAP), **job), seed="a")
    return list(found.caveats)


def test_tools_of_the_service_are_named(engine: Estimator) -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    (told,) = caveats_of(engine, [row(0, 2, tools=tools)])
    assert "(web_search_20250305)" in told
    assert "web searches have a price of their own" in told


def test_repairs_cost_again(engine: Estimator) -> None:
    (told,) = caveats_of(engine, repair=Repair({"truncated": {"max_tokens": 512}, "invalid_output": {}}))
    assert told.startswith("repair= asks again for answers that are invalid_output, truncated: these cost again")


def test_a_queue_that_is_too_short_is_told_in_days(engine: Estimator) -> None:
    (told,) = caveats_of(engine, max_requests_in_flight=2)
    assert told.startswith("3 requests do not fit into the queue of 2 at once.")
    assert "up to 24 hours, so the job takes up to 2 days" in told


@pytest.mark.parametrize(
    ("retires_at", "in_flight", "is_told"),
    [
        ("2026-11-30T13:00:00Z", 100, True),  # 25 hours from now, within the life of a batch
        ("2026-11-30T15:00:00Z", 100, False),
        ("2026-12-01T13:00:00Z", 2, True),  # within two days
        (None, 100, False),
        ("soon", 100, False),
    ],
)
def test_a_model_that_retires_before_the_job_is_done_is_named(
    engine: Estimator, service: FreeService, retires_at: str, in_flight: int, is_told: bool
) -> None:
    service.retires_at[CHEAP] = retires_at
    told = [caveat for caveat in caveats_of(engine, max_requests_in_flight=in_flight) if "retires at" in caveat]
    assert bool(told) == is_told
    if is_told:
        assert told[0].startswith(f"{CHEAP} retires at 2026-1")


def test_a_model_that_cannot_be_looked_up_is_named(engine: Estimator) -> None:
    found = engine.estimate([row(0, model=UNKNOWN)], EstimatedJob(), seed="a")
    assert any(f"{UNKNOWN} could not be looked up" in caveat for caveat in found.caveats)
