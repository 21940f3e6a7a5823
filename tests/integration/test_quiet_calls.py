"""A call is not worth a log line: the HTTP library's lines on our calls are dropped, except on explicit request."""

from __future__ import annotations

import logging

import pytest

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator


@pytest.mark.parametrize(("level", "told"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_a_call_is_told_of_only_where_all_is_to_be_told(
    message_batch_simulator: MessageBatchSimulator, caplog: pytest.LogCaptureFixture, level: int, told: bool
) -> None:
    settings = ClientSettings(base_url=message_batch_simulator.base_url, api_key=message_batch_simulator.api_key)
    with caplog.at_level(level, logger="httpx2"), MessageBatchClient(settings) as client:
        client.greet()
        client.model("claude-haiku-5-5")
        client.models()
        client.count_tokens({"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "x"}]})
    assert any("HTTP Request" in record.getMessage() for record in caplog.records) is told


def test_the_calls_of_others_are_told_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="httpx2"):
        logging.getLogger("httpx2").info("HTTP Request: %s %s", "GET", "https://example.com/")
    assert "example.com" in caplog.text
