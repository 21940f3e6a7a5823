from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.results import UNREADABLE, ExpectedRows, SpooledResults, spooled_results
from anthropic_batches_provider.errors import ResultsStreamError, ResultsUnavailableError, UnexpectedAnswerError
from tests.worlds.ended_jobs import NOW, Service, StillClock, ended, succeeded

EXPECTED = ExpectedRows(custom_id_prefix="n-2-", rows=range(10, 13))
LINES = [ended("n-2-12", "expired"), ended("n-2-10", "canceled"), ended("n-2-11", "expired")]


def spool(
    path: Path, service: Service, *, expected: ExpectedRows | None = EXPECTED, slept: list[float] | None = None
) -> tuple[list[bytes | None], SpooledResults]:
    clock = StillClock()
    clock.slept = clock.slept if slept is None else slept
    with spooled_results(service, service.batches["b"], path / "spool", expected=expected, clock=clock) as found:
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


@pytest.mark.parametrize(
    "line",
    [
        b'{"custom_id": "n-2-11", "result": {"type": "expired"}}',
        b' {"result":{"type":"expired"},"custom_id":"n-2-11"} ',
        b'{"custom_id":"\\u006e-2-11","result":{"type":"expired"}}',
        b'{"custom_id":"n-2-011","result":{"type":"expired"}}',
    ],
)
def test_a_line_that_is_written_otherwise_than_the_api_does_is_found_all_the_same(tmp_path: Path, line: bytes) -> None:
    found, results = spool(tmp_path, service_of([LINES[0], line, LINES[1]]))
    assert found == [LINES[1], line, LINES[0]]
    assert results.foreign == 0


@pytest.mark.parametrize("custom_id", ["n-2-1", "n-2-", "n-2-1_1", "n-2-+11", "n-2-" + "1" * 60, "n-2-11x", "N-2-11"])
def test_a_line_whose_custom_id_only_resembles_ours_is_foreign(tmp_path: Path, custom_id: str) -> None:
    found, results = spool(tmp_path, service_of([LINES[0], ended(custom_id, "expired"), LINES[1]]))
    assert found == [LINES[1], None, LINES[0]]
    assert results.foreign == 1


ORDERS: dict[str, Callable[[list[int]], list[int]]] = {
    "in order": lambda rows: rows,
    "backwards": lambda rows: rows[::-1],
    "nearly in order": lambda rows: [row for pair in zip(rows[1::2], rows[::2], strict=True) for row in pair],
    "in two interleaved halves": lambda rows: rows[::2] + rows[1::2],
    "at random": lambda rows: random.Random(7).sample(rows, len(rows)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sparse", [False, True], ids=["a range of rows", "rows of a further round"])
def test_iterating_gives_what_each_position_holds_whatever_the_order_of_arrival(
    tmp_path: Path, order: str, sparse: bool
) -> None:
    numbers = [number for number in range(600) if number % 3 or not sparse]
    rows = array("q", numbers) if sparse else range(600)
    expected = ExpectedRows(custom_id_prefix="n-2-", rows=rows)
    lines = {number: succeeded(f"n-2-{number}", "x" * (number % 7 * 500)) for number in numbers}
    service = Service()
    instead = {**lines, 301: ended("foreign", "expired")}
    service.add("b", [instead[number] for number in ORDERS[order](numbers)])
    with spooled_results(
        service, service.batches["b"], tmp_path / "spool", expected=expected, clock=StillClock()
    ) as found:
        assert list(found) == [found[position] for position in range(len(numbers))]
        assert list(found) == [lines[number] if number != 301 else None for number in numbers]
        decoded = list(found.decoded(with_message=False))
    assert [result and result.custom_id for result in decoded] == [
        f"n-2-{number}" if number != 301 else None for number in numbers
    ]


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
        ResultsStreamError, match=r"msgbatch|b \(3 requests\).*nothing is paid for again.*Nothing was published"
    ):
        spool(tmp_path, service, slept=slept)
    assert slept == [0.0, 2.0, 10.0, 30.0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"<html>\n<body>502</body></html>\n", b"<html></html>", b"[1]\n" + LINES[0] + b"\n"])
def test_an_answer_that_is_no_results_is_not_fetched_again(tmp_path: Path, body: bytes) -> None:
    service = service_of(LINES)
    service.bodies["b"] = body
    with pytest.raises(UnexpectedAnswerError, match="Line 1 of the results of batch b"):
        spool(tmp_path, service)
    assert service.fetched == ["b"]


def test_more_results_than_requests_are_refused_where_nobody_knows_the_rows(tmp_path: Path) -> None:
    with pytest.raises(ResultsStreamError, match="3 results arrived for 2 requests"):
        spool(tmp_path, service_of(LINES, requests=2), expected=None)


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_last_line_that_names_its_row_and_is_cut_is_fetched_again(tmp_path: Path, cut: int) -> None:
    service, slept = service_of(LINES), [0.0]
    service.faults["b"] = [len(service.bodies["b"]) - 1 - cut]
    found, _ = spool(tmp_path, service, slept=slept)
    assert found == [LINES[1], LINES[2], LINES[0]]
    assert slept == [0.0, 2.0]


DEEP = b'{"custom_id":"n-2-12","result":{"type":"succeeded","message":' + b"[" * 1500 + b"]" * 1500 + b"}}"


@pytest.mark.parametrize(
    "odd",
    [
        LINES[0].replace(b"expired", b"exp\x00red"),
        LINES[0][:-1],
        DEEP,
        DEEP.replace(b'{"custom_id":"n-2-12",', b"{").removesuffix(b"}") + b',"custom_id":"n-2-12"}',
        DEEP.replace(b"n-2-", b"\\u006e-2-"),
    ],
    ids=["a control character", "a bracket is missing", "deep", "deep, named last", "deep, named otherwise"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_cannot_be_decoded_takes_nothing_from_the_others(tmp_path: Path, odd: bytes, place: int) -> None:
    lines = [LINES[1], LINES[2]]
    service = service_of([*lines[:place], odd, *lines[place:]])
    with spooled_results(
        service, service.batches["b"], tmp_path / "spool", expected=EXPECTED, clock=StillClock()
    ) as found:
        decoded = list(found.decoded())
        assert found[2] == odd
    assert [(one.custom_id, one.result_type) for one in decoded if one is not None] == [
        ("n-2-10", "canceled"),
        ("n-2-11", "expired"),
        ("n-2-12", UNREADABLE),
    ]
    assert service.fetched == ["b"]


def test_a_line_that_names_no_request_is_fetched_again_and_then_kept_as_nobodys(tmp_path: Path) -> None:
    unnamed = b'{"custom_id":null,"result":{"type":"succeeded"}}'
    service = service_of([unnamed, LINES[0], LINES[1]])
    with spooled_results(
        service, service.batches["b"], tmp_path / "spool", expected=EXPECTED, clock=StillClock()
    ) as found:
        assert list(found) == [LINES[1], None, LINES[0]]
        assert list(found.unnamed()) == [unnamed]
    assert (found.lines, found.foreign) == (3, 1)
    assert service.fetched == ["b"] * 4


def test_where_nobody_knows_the_rows_a_line_that_names_no_request_is_a_row(tmp_path: Path) -> None:
    lines = [b'{"result":{"type":"succeeded"}}', *LINES[:2]]
    assert spool(tmp_path, service_of(lines), expected=None)[0] == lines


def test_a_repeated_line_that_hides_a_missing_one_is_fetched_again(tmp_path: Path) -> None:
    service, slept = service_of([LINES[0], LINES[1], LINES[0]]), [0.0]
    service.later_bodies["b"] = [b"".join(line + b"\n" for line in LINES)]
    found, results = spool(tmp_path, service, slept=slept)
    assert found == [LINES[1], LINES[2], LINES[0]]
    assert (results.duplicates, slept) == (0, [0.0, 2.0])


@pytest.mark.parametrize("requests", [2, 3, 4])
def test_the_requests_that_were_sent_decide_whatever_the_batch_counts(tmp_path: Path, requests: int) -> None:
    found, _ = spool(tmp_path, service_of(LINES, requests=requests))
    assert found == [LINES[1], LINES[2], LINES[0]]


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    service = Service()
    service.add("b", [b'{"custom_id":"n-2-10","result":"' + b"x" * (70 << 20) + b'"}'])
    with pytest.raises(UnexpectedAnswerError, match="Line 1 of the results of batch b is longer than 64 MiB"):
        spool(tmp_path, service)


def test_an_empty_last_line_and_a_missing_line_feed_do_no_harm(tmp_path: Path) -> None:
    service = service_of(LINES)
    service.bodies["b"] = b"\n" + service.bodies["b"][:-1]
    assert spool(tmp_path, service)[0] == [LINES[1], LINES[2], LINES[0]]


@pytest.mark.parametrize(("minutes", "patient"), [(1, True), (14, True), (16, False), (None, True)])
def test_results_that_are_not_shown_just_after_the_end_are_waited_for(
    tmp_path: Path, minutes: int | None, patient: bool
) -> None:
    service, slept = service_of(LINES), [0.0]
    service.add("b", LINES, ended_at=None if minutes is None else NOW.subtract(minutes=minutes))
    service.not_shown["b"] = 3
    if patient:
        assert spool(tmp_path, service, slept=slept)[0] == [LINES[1], LINES[2], LINES[0]]
        assert slept == [0.0, 2.0, 10.0, 30.0]
    else:
        with pytest.raises(ResultsUnavailableError):
            spool(tmp_path, service, slept=slept)
        assert slept == [0.0]


def test_results_that_stay_away_are_given_up_after_ten_minutes(tmp_path: Path) -> None:
    service, slept = service_of(LINES), [0.0]
    service.add("b", LINES, ended_at=NOW)
    service.not_shown["b"] = 99
    with pytest.raises(ResultsUnavailableError):
        spool(tmp_path, service, slept=slept)
    assert 600 <= sum(slept) <= 660


def test_results_that_are_gone_are_told_with_likely_causes(tmp_path: Path) -> None:
    archived, refused = service_of(LINES), service_of(LINES)
    archived.add("b", LINES, archived_at=NOW)
    del refused.bodies["b"]
    for service in (archived, refused):
        with pytest.raises(ResultsUnavailableError, match=r"29 days.*deleted.*download.*another workspace"):
            spool(tmp_path, service)
    assert archived.fetched == []
