"""The input that all three DAGs send: different questions, so that content billed twice shows."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

MODEL = "claude-haiku-4-5"
MAX_TOKENS = 64
QUESTIONS = [f"Label passage {number} of the benchmark." for number in range(int(os.environ["BENCHMARK_ROWS"]))]
OUTPUT = os.environ["BENCHMARK_OUTPUT"] + "/{{ run_id }}"

# As set by a user who wants failures at night to be retried; the delay is short to keep the benchmark short.
TASK_ARGUMENTS: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
