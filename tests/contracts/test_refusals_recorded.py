"""Which error answers, recorded from or quoted of the real API, prove that a create call made no batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import ClientSettings
from anthropic_batches_provider.batches.create_answers import is_refusal
from anthropic_batches_provider.errors import ApiStatusError
from tests.worlds.blocking_client import BlockingClient
from tests.worlds.scripted_api import Answer, ScriptedApi, scripted_api

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
QUOTED = RECORDED / "quoted_http_errors.json"
BODY = b'{"requests":[]}'

pytestmark = pytest.mark.skipif(not QUOTED.exists(), reason="the recorded exchanges are not beside the repository")


def quoted() -> list[tuple[int, dict[str, Any]]]:
    """The answers that are quoted with their whole body."""
    if not QUOTED.exists():
        return []
    return [(each["status"], each["body"]) for each in json.loads(QUOTED.read_text()) if "body" in each]


REFUSING = [(status, body) for status, body in quoted() if status in (400, 401, 404, 429)]
TOO_LARGE = [(status, body) for status, body in quoted() if status == 413]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        yield api


def error_of_a_create_call(api: ScriptedApi, status: int, body: Any, headers: dict[str, str]) -> ApiStatusError:
    api.answer(Answer(status=status, body=body, headers=headers))
    client = BlockingClient("sync", ClientSettings(api_key="sk-ant-test", base_url=api.base_url))
    with pytest.raises(ApiStatusError) as caught:
        client.create([BODY], content_length=len(BODY), betas=())
    return caught.value


def test_the_quotes_hold_what_these_tests_are_for() -> None:
    assert {status for status, _ in REFUSING} == {400, 401, 404, 429}
    assert TOO_LARGE


@pytest.mark.parametrize(("status", "body"), REFUSING)
def test_the_apis_own_refusal_with_a_request_id_proves_that_no_batch_was_made(
    api: ScriptedApi, status: int, body: dict[str, Any]
) -> None:
    assert is_refusal(error_of_a_create_call(api, status, body, {"request-id": "req_1"}))


@pytest.mark.parametrize(("status", "body"), REFUSING)
def test_without_a_request_id_the_outcome_is_unknown_and_the_message_quotes_the_server(
    api: ScriptedApi, status: int, body: dict[str, Any]
) -> None:
    anonymous = {name: value for name, value in body.items() if name != "request_id"}
    error = error_of_a_create_call(api, status, anonymous, {})
    assert not is_refusal(error)
    assert f"status {status}" in str(error)
    assert "no request id" in str(error)
    assert "server BaseHTTP" in str(error), "what stands in for the gateway here"
    assert body["error"]["message"] in str(error)
    assert "A batch may have been created" in str(error)


@pytest.mark.parametrize(("status", "body"), TOO_LARGE)
def test_a_413_without_a_request_id_is_unknown(api: ScriptedApi, status: int, body: dict[str, Any]) -> None:
    assert "request_id" not in body
    assert not is_refusal(error_of_a_create_call(api, status, body, {}))


def test_the_request_id_in_the_body_counts_like_that_in_the_header(api: ScriptedApi) -> None:
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}, "request_id": "req_2"}
    error = error_of_a_create_call(api, 429, body, {})
    assert error.request_id == "req_2"
    assert is_refusal(error)
