"""The input of the DAGs that use the prompt cache: contracts, and one long text that all of them are asked about."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 64
CONTEXT_TOKENS = 20_000
_CHARACTERS_PER_TOKEN = 4  # by the simulator's estimate

_CLAUSES = "".join(
    f"Clause {number}: the buyer pays for all goods within {number % 90} days.\n" for number in range(2_000)
)
CONTEXT = _CLAUSES[: CONTEXT_TOKENS * _CHARACTERS_PER_TOKEN]
CONTRACTS = [f"Does contract {number} keep to the clauses?" for number in range(int(os.environ["BENCHMARK_ROWS"]))]
OUTPUT = os.environ["BENCHMARK_OUTPUT"] + "/{{ run_id }}"

MARKED_CONTEXT = {"type": "text", "text": CONTEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
"""The text as a block of the system prompt, as users of the API mark it."""

TASK_ARGUMENTS: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
