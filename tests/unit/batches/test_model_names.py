from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.model_names import without_date


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5-5-2026", "claude-opus-5-5-2026"),
        ("claude-opus-5-5-20260922-x", "claude-opus-5-5-20260922-x"),
        ("claude-opus-5-5-20260922\n", "claude-opus-5-5-20260922\n"),
    ],
)
def test_only_a_date_at_the_end_is_no_part_of_the_name(model: str, name: str) -> None:
    assert without_date(model) == name
