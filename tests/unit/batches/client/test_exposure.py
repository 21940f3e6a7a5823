from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import ClientSettings, exposure


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    exposure._warn_once.cache_clear()
    yield
    exposure._warn_once.cache_clear()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"base_url": "https://api.anthropic.com"}, None),
        ({"base_url": "http://127.0.0.1:8000"}, None),
        ({"base_url": "http://[::1]:8000"}, None),
        ({"base_url": "http://localhost:8000"}, None),
        ({"base_url": "http://gateway.example.org"}, "NOT ENCRYPTED: its host is http://gateway.example.org"),
        ({"base_url": "http://10.0.0.7"}, "NOT ENCRYPTED"),
        (
            {"base_url": "https://gateway.example.org", "client_kwargs": {"verify": False}},
            "CERTIFICATES ARE NOT CHECKED",
        ),
        ({"base_url": "https://gateway.example.org", "client_kwargs": {"verify": "/etc/ca.pem"}}, None),
    ],
)
def test_a_connection_that_shows_the_key_is_told_once_in_a_process(
    settings: dict[str, Any], told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        exposure.warn_if_exposed(ClientSettings(api_key="sk-secret", **settings))
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (0 if told is None else 1)
    assert told is None or told in caplog.text
    assert "sk-secret" not in caplog.text
