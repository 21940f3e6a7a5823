from __future__ import annotations

import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.client import (
    bodies,
    decoded_results,
    spooled_body,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.errors import EmptyInputError, InvalidRowError, ResultsStreamError


def request(number: int, **params: Any) -> dict[str, Any]:
    return {"custom_id": f"r{number}", "params": params}


def test_a_body_holds_the_requests_and_knows_its_length() -> None:
    with spooled_body(request(number, text="é\u2028") for number in range(3)) as body:
        first, second = b"".join(body), b"".join(body)
    assert first == second
    assert len(first) == body.content_length
    assert json.loads(first) == {"requests": [request(number, text="é\u2028") for number in range(3)]}
    assert body.requests == 3


@pytest.mark.parametrize(
    "bad",
    [
        {"params": {}}, {"custom_id": "a"}, {"custom_id": "a", "params": {}, "x": 1}, {"custom_id": "", "params": {}},
        {"custom_id": "a b", "params": {}}, {"custom_id": "a\n", "params": {}}, {"custom_id": "x" * 65, "params": {}},
        {"custom_id": 3, "params": {}}, {"custom_id": "a", "params": []}, {"custom_id": "a", "params": {"x": object()}},
        {"custom_id": "a", "params": {"x": float("nan")}}, {"custom_id": "r0", "params": {}}, [], "x",
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_sent_is_named(bad: Any) -> None:
    with pytest.raises(InvalidRowError, match="Request 1") as caught, spooled_body([request(0), bad]):
        pass
    assert caught.value.row_number == 1


def test_no_requests_are_an_error() -> None:
    with pytest.raises(EmptyInputError), spooled_body([]):
        pass


def test_limits_are_held_to_the_byte_and_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with spooled_body([request(0), request(1)]) as body:
        length = body.content_length
    monkeypatch.setattr(bodies, "MAX_BYTES_PER_BATCH", length)
    with spooled_body([request(0), request(1)]):
        pass
    monkeypatch.setattr(bodies, "MAX_BYTES_PER_BATCH", length - 1)
    with pytest.raises(InvalidRowError, match="makes the body exceed"), spooled_body([request(0), request(1)]):
        pass
    monkeypatch.setattr(bodies, "MAX_REQUESTS_PER_BATCH", 1)
    with pytest.raises(InvalidRowError, match=r"more than 1 request\."), spooled_body([request(0), request(1)]):
        pass


def test_null_is_json_and_nan_is_not() -> None:
    with spooled_body([request(0, stop=None, text="null")]) as body:
        assert body.requests == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_however_they_are_cut(size: int) -> None:
    data = "a\u2028b\n\n  \ncé\x85\r\nlast".encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert list(split_lines(chunks)) == ["a\u2028b".encode(), "cé\x85\r".encode(), b"last"]


def batch(total: int) -> MessageBatch:
    return MessageBatch.from_api(
        {
            "id": "msgbatch_1",
            "type": "message_batch",
            "processing_status": "ended",
            "request_counts": {"processing": 0, "succeeded": total, "errored": 0, "canceled": 0, "expired": 0},
            "created_at": "2026-11-21T05:00:00Z",
            "expires_at": "2026-11-22T05:00:00Z",
        }
    )


def test_all_results_are_decoded() -> None:
    assert list(decoded_results([b'{"a":1}\n{"a"', b":2}\n"], batch(2))) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "data", [b'{"a":1}\n', b'{"a":1}\n{"a":2}\n{"a":3}\n', b'{"a":1}\n{"a', b"<html>\n[]", b'{"a":"\xff"}']
)
def test_missing_surplus_or_unreadable_lines_are_an_error(data: bytes) -> None:
    with pytest.raises(ResultsStreamError, match="msgbatch_1"):
        list(decoded_results([data], batch(2)))
