from __future__ import annotations

from decimal import Decimal

import anthropic
import pytest

from anthropic_batches_provider.batches.requests import repair_changes
from anthropic_batches_provider.errors import ConfigurationError


def test_no_repair_changes_nothing() -> None:
    assert repair_changes(None, max_rounds=1, known={}) == {}


def test_values_become_what_is_sent() -> None:
    repair = {"invalid_output": {"temperature": Decimal("0.5"), "top_k": anthropic.omit, "stop_sequences": ("a",)}}
    assert repair_changes(repair, max_rounds=2, known={}) == {
        "invalid_output": {"temperature": 0.5, "stop_sequences": ["a"]}
    }


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="`repair` cannot be sent"):
        repair_changes({"invalid_output": {"metadata": object()}}, max_rounds=2, known={})
