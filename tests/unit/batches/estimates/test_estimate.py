"""What an estimate says: as a dict, as lines, and of several jobs together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.estimates import Estimate, EstimatedJob, FromPilot, Share, total
from anthropic_batches_provider.batches.money.dollars import exact_dollars
from tests.unit.batches.estimates.estimate_world import CHEAP, DEAR, UNKNOWN, FreeService, estimator, row

PILOT = FromPilot(tuple(range(20, 40)), CHEAP, "job-1")


def estimate(folder: Path, words: int, *, model: str = CHEAP, rows: int = 3, **job: object) -> Estimate:
    given = EstimatedJob(output=Share(0.1)) if not job else EstimatedJob(**job)  # type: ignore[arg-type]
    return estimator(FreeService(), folder).estimate([row(n, words, model=model) for n in range(rows)], given, seed="a")


def test_the_dict_has_all_figures_as_json(tmp_path: Path) -> None:
    found = estimate(tmp_path, 10).as_dict()
    input_cost, answers = 3 * 10 * 100, 3 * 500
    figures = {
        "low_usd": exact_dollars(input_cost),
        "expected_usd": exact_dollars(input_cost + 10 * answers),
        "high_usd": exact_dollars(input_cost + 100 * answers),
        "bound_usd": exact_dollars(input_cost + 100 * answers),
        "live_usd": exact_dollars(2 * (input_cost + 10 * answers)),
        "rows": 3,
        "sampled_rows": 3,
        "input_tokens": {"low": 30, "expected": 30, "high": 30, "bound": 30},
        "output_tokens": {"low": 0, "expected": 30, "high": 300, "bound": 300},
        "prices": ["a test"],
    }
    request_bytes = found.pop("request_bytes")
    assert 300 < request_bytes < 1_000
    (caveat,) = found.pop("caveats")
    assert "0.1 of max_tokens" in caveat
    assert json.loads(json.dumps(found)) == {
        **figures,
        "at_least": False,
        "confidence": 0.95,
        "invalid_rows": 0,
        "batches": 1,
        "days": 1,
        "counted_calls": 3,
        "models": {CHEAP: {**figures, "unknown": ""}},
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_lines_are_a_sentence_a_table_and_the_caveats(tmp_path: Path) -> None:
    found = estimate(tmp_path, 1_000) + estimate(tmp_path, 1_000, model=DEAR)
    sentence, header, rule, *rows, caveat = found.lines("label, 2026-11-29")
    assert sentence == (
        "Estimate of label, 2026-11-29: $0.0000016 expected, $0.0000015 to $0.0000022 with a confidence of 95% at the "
        "prices of a test."
    )
    assert cells(header) == [
        "model",
        "rows",
        "input",
        "output",
        "low",
        "expected",
        "high",
        "at max_tokens",
        "live price",
    ]
    assert rows[0] == (
        "| claude-haiku-5-5 |    3 | 3,000 |     30 | $0.00000030 | $0.00000032 | $0.00000045 |   $0.00000045 | "
        "$0.00000063 |"
    )
    assert [cells(row)[:4] for row in rows] == [
        [CHEAP, "3", "3,000", "30"],
        [DEAR, "3", "3,000", "30"],
        ["all", "6", "6,000", "60"],
    ]
    assert {len(line) for line in (header, rule, *rows)} == {len(header)}
    assert caveat.startswith("- The expected cost takes 0.1 of max_tokens")


def test_one_model_needs_no_sum(tmp_path: Path) -> None:
    assert not any(line.startswith("| all") for line in estimate(tmp_path, 10).lines())


def test_rows_without_a_price_make_the_figures_lower_bounds(tmp_path: Path) -> None:
    found = estimate(tmp_path, 10) + estimate(tmp_path, 10, model=UNKNOWN)
    lines = found.lines()
    assert lines[0].startswith("Estimate: at least $")
    assert "with a confidence of 95% for the rows whose price is known at the prices of" in lines[0]
    assert next(line for line in lines if UNKNOWN in line).count("unknown |") == 5
    assert "unknown" not in next(line for line in lines if line.startswith("| all "))
    alone = estimate(tmp_path, 10, model=UNKNOWN)
    assert alone.lines()[0] == "Estimate: the cost is unknown."
    assert alone.as_dict()["expected_usd"] is None
    assert alone.as_dict()["at_least"] is True


def test_several_jobs_add_up(tmp_path: Path) -> None:
    one, two = estimate(tmp_path, 10), estimate(tmp_path, 20, model=DEAR, rows=5)
    both = total([one, two, one])
    assert both.cost is not None and one.cost is not None and two.cost is not None  # noqa: PT018
    assert both.cost.expected == 2 * one.cost.expected + two.cost.expected
    assert (both.rows, both.batches, both.invalid_rows) == (11, 3, 0)
    assert both.request_bytes == 2 * one.request_bytes + two.request_bytes
    assert list(both.models) == [CHEAP, DEAR]
    assert both.models[CHEAP].rows == 6


def test_a_caveat_of_several_jobs_is_said_once(tmp_path: Path) -> None:
    one = estimate(tmp_path, 10)
    (told,) = total([one, one, one]).caveats
    assert told == f"{one.caveats[0]} (2 other estimates in this sum: likewise.)"


def test_the_queue_holds_all_of_them(tmp_path: Path) -> None:
    one = replace(estimate(tmp_path, 10, output=PILOT), in_flight=4)
    both = one + one
    assert (one.days, both.days) == (1, 2)
    assert not one.caveats
    assert "6 requests do not fit into the queue of 4" in both.caveats[0]


def test_sums_of_nothing_and_of_other_confidences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no estimate"):
        total([])
    one = estimate(tmp_path, 10)
    with pytest.raises(ValueError, match=r"0\.95 and 0\.9 cannot be added"):
        total([one, replace(one, confidence=0.9)])
