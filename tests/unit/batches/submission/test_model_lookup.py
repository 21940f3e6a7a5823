"""A model is refused only where the API says beyond doubt that it does not know it."""

from __future__ import annotations

import logging
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.invalid_rows import InvalidRow, invalid_row
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.submission.model_lookup import check_model, with_known_model
from anthropic_batches_provider.errors import ApiConnectionError, ApiError, ApiStatusError, ConfigurationError

NOW = pendulum.datetime(2026, 11, 28, 12)
KNOWN = ["claude-haiku-4-5-20251001", "claude-haiku-5-5", "claude-opus-5-5"]
ITS_OWN_404 = ApiStatusError("no model", status=404, error_type="not_found_error", request_id="req_1")
A_404 = ApiStatusError("no page", status=404)
UNREACHABLE = ApiConnectionError("no answer", connected=False)


class Models:
    """Answers with what it is given, or raises it."""

    def __init__(self, info: dict[str, Any] | ApiError, listed: list[str] | ApiError = UNREACHABLE) -> None:
        self._info = info
        self._listed = listed
        self.asked: list[str] = []

    def model(self, model_id: str, /) -> dict[str, Any]:
        self.asked.append(model_id)
        if isinstance(self._info, ApiError):
            raise self._info
        return self._info

    def models(self) -> list[dict[str, Any]]:
        if isinstance(self._listed, ApiError):
            raise self._listed
        return [{"id": name} for name in self._listed]


def warnings(caplog: pytest.LogCaptureFixture, models: Models) -> list[str]:
    with caplog.at_level(logging.WARNING):
        check_model(models, "claude-hiaku-5-5", now=NOW)
    return [record.getMessage() for record in caplog.records]


def test_a_model_that_the_api_neither_knows_nor_lists_is_refused_with_near_names() -> None:
    with pytest.raises(ConfigurationError, match=r"'claude-hiaku-5-5'.*near names are: claude-haiku-5-5.*Nothing was"):
        check_model(Models(ITS_OWN_404, KNOWN), "claude-hiaku-5-5", now=NOW)
    with pytest.raises(ConfigurationError, match=r"near names are: claude-haiku-4-5-20251001, claude-haiku-5-5"):
        check_model(Models(ITS_OWN_404, KNOWN), "gpt", now=NOW)


@pytest.mark.parametrize(
    "models",
    [
        Models(A_404, KNOWN),
        Models(UNREACHABLE, KNOWN),
        Models(ApiStatusError("busy", status=529), KNOWN),
        Models(ITS_OWN_404, UNREACHABLE),
        Models(ITS_OWN_404, A_404),
        Models(ITS_OWN_404, []),
        Models(ITS_OWN_404, ["claude-hiaku-5-5"]),
    ],
)
def test_anything_else_is_a_warning(models: Models, caplog: pytest.LogCaptureFixture) -> None:
    (warning,) = warnings(caplog, models)
    assert "claude-hiaku-5-5" in warning
    assert "sent as it is" in warning


@pytest.mark.parametrize(
    ("retires_at", "is_told"),
    [
        ("2026-11-30T00:00:00Z", False),
        ("2026-11-29T00:00:00Z", True),
        ("2026-11-29T13:59:59.5+00:00", True),
        ("2026-11-01T00:00:00Z", True),
        (None, False),
        ("soon", False),
        (5, False),
        ("P1D", False),
    ],
)
def test_a_model_that_retires_before_batches_must_have_ended_is_told(
    retires_at: Any, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    found = warnings(caplog, Models({"id": "x", "retires_at": retires_at}))
    assert bool(found) is is_told
    assert all("retires at 2026-11-" in warning for warning in found)


def test_the_model_of_the_first_row_that_can_be_sent_is_looked_up_once() -> None:
    models = Models({"id": "x"})
    rows: list[PreparedRow | InvalidRow] = [
        invalid_row(0, "bad", b"{}"),
        PreparedRow(1, b"{}", b'{"max_tokens":1,"model":"first","messages":[{"model":"inner"}]}'),
        PreparedRow(2, b"{}", b'{"model":"second"}'),
    ]
    assert list(with_known_model(rows, models, now=NOW)) == rows
    assert models.asked == ["first"]
    assert list(with_known_model([], models, now=NOW)) == []
    assert list(with_known_model(rows[:1], models, now=NOW)) == rows[:1]
    assert models.asked == ["first"]


def test_nothing_is_looked_up_before_a_row_is_read() -> None:
    models = Models(ITS_OWN_404, KNOWN)
    rows = with_known_model([PreparedRow(0, b"{}", b'{"model":"m"}')], models, now=NOW)
    assert models.asked == []
    with pytest.raises(ConfigurationError):
        next(rows)
