from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_batches_provider.batches.results import ExpectedRows, SpooledResults, spooled_results
from anthropic_batches_provider.errors import ResultsStreamError, ResultsUnavailableError, UnexpectedAnswerError
from tests.unit.batches.results.ended_jobs import NOW, Service, ended

EXPECTED = ExpectedRows(custom_id_prefix="n-2-", rows=range(10, 13))
LINES = [ended("n-2-12", "expired"), ended("n-2-10", "canceled"), ended("n-2-11", "expired")]


def spool(
    path: Path, service: Service, *, expected: ExpectedRows | None = EXPECTED, slept: list[float] | None = None
) -> tuple[list[bytes | None], SpooledResults]:
    pauses = [] if slept is None else slept
    with spooled_results(
        service, service.batches["b"], path / "spool", expected=expected, sleep=pauses.append
    ) as found:
        return [found[position] for position in range(len(found))], found


def service_of(lines: list[bytes], requests: int = 3) -> Service:
    service = Service(chunk_bytes=7)
    service.add("b", lines, requests=requests)
    return service


@pytest.mark.parametrize(
    ("custom_id", "position"),
    [
        ("n-2-10", 0),
        ("n-2-12", 2),
        ("n-2-9", None),
        ("n-2-13", None),
        ("n-3-10", None),
        ("n-2-", None),
        ("n-2-x", None),
        ("n-2--1", None),
        ("n-2-1\u0661", None),
        ("another", None),
    ],
)
def test_a_custom_id_names_a_row_or_none(custom_id: str, position: int | None) -> None:
    assert EXPECTED.position(custom_id) == position


def test_results_in_any_order_are_found_by_row(tmp_path: Path) -> None:
    found, results = spool(tmp_path, service_of(LINES))
    assert found == [LINES[1], LINES[2], LINES[0]]
    assert (results.lines, results.foreign, results.duplicates) == (3, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_without_expected_rows_results_keep_their_order(tmp_path: Path) -> None:
    found, _ = spool(tmp_path, service_of(LINES), expected=None)
    assert found == LINES


def test_of_two_answers_the_first_counts_and_a_strangers_is_left_out(tmp_path: Path) -> None:
    found, results = spool(tmp_path, service_of([LINES[0], ended("n-2-12", "canceled"), ended("foreign", "expired")]))
    assert found == [None, None, LINES[0]]
    assert (results.foreign, results.duplicates) == (1, 1)


@pytest.mark.parametrize("fault", [-1, -60, 60, 0, -0, len(LINES[0]) + 1, 3 * len(LINES[0])])
def test_a_stream_that_stops_early_is_fetched_again_from_its_start(tmp_path: Path, fault: int) -> None:
    service, slept = service_of(LINES), [0.0]
    service.faults["b"] = [fault]
    found, _ = spool(tmp_path, service, slept=slept)
    assert found == [LINES[1], LINES[2], LINES[0]]
    assert slept == [0.0, 2.0]


def test_a_stream_that_always_stops_early_is_given_up_and_says_what_is_true(tmp_path: Path) -> None:
    service, slept = service_of(LINES), [0.0]
    service.faults["b"] = [-60] * 9
    with pytest.raises(
        ResultsStreamError, match=r"msgbatch|b \(3 requests\).*Nothing was published.*nothing is paid again"
    ):
        spool(tmp_path, service, slept=slept)
    assert slept == [0.0, 2.0, 10.0, 30.0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body", [b"<html>\n<body>502</body></html>\n", b"<html>", b'{"custom_id":1}\n' + LINES[0] + b"\n"]
)
def test_an_answer_that_is_no_results_is_not_fetched_again(tmp_path: Path, body: bytes) -> None:
    service = service_of(LINES)
    service.bodies["b"] = body
    with pytest.raises(UnexpectedAnswerError, match="Line 1 of the results of batch b"):
        spool(tmp_path, service)
    assert service.fetched == ["b"]


def test_more_results_than_requests_are_refused_where_nobody_knows_the_rows(tmp_path: Path) -> None:
    with pytest.raises(ResultsStreamError, match="3 results came for 2 requests"):
        spool(tmp_path, service_of(LINES, requests=2), expected=None)


def test_an_empty_last_line_and_a_missing_line_feed_do_no_harm(tmp_path: Path) -> None:
    service = service_of(LINES)
    service.bodies["b"] = b"\n" + service.bodies["b"][:-1]
    assert spool(tmp_path, service)[0] == [LINES[1], LINES[2], LINES[0]]


def test_results_that_are_gone_are_told_with_likely_causes(tmp_path: Path) -> None:
    archived, refused = service_of(LINES), service_of(LINES)
    archived.add("b", LINES, archived_at=NOW)
    del refused.bodies["b"]
    for service in (archived, refused):
        with pytest.raises(ResultsUnavailableError, match=r"29 days.*deleted.*download.*another workspace"):
            spool(tmp_path, service)
    assert archived.fetched == []


def test_the_number_of_a_line_is_found_again(tmp_path: Path) -> None:
    service = service_of(LINES)
    with spooled_results(
        service, service.batches["b"], tmp_path / "spool", expected=EXPECTED, sleep=lambda _: None
    ) as found:
        assert [found.line_number(position) for position in range(3)] == [2, 3, 1]
