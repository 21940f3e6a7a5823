"""Operator arguments: durations, and checks that need no running task, so that DAG parsing already shows a typo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

DEFAULT_MAX_ROUNDS = 3
DEFAULT_XCOM_MAX_BYTES = 1_000_000
MOST_PILOT_ROWS = 10_000
"""A first shard of fewer rows stays on the worker's disk until all rows are read."""

# Names that only the Messages API knows: in Airflow's own `params`, they are a mistake.
_MESSAGE_PARAMS = frozenset(
    ("messages", "output_config", "stop_sequences", "thinking", "tool_choice", "tools", "top_k", "top_p", "temperature",
     "max_tokens", "cache_control", "service_tier", "inference_geo")
)  # fmt: skip


def refuse_message_params(params: Mapping[str, Any] | None, dag: Any = None) -> None:
    """Refuse Messages params that were given to an operator as Airflow's ``params``.

    :param params: the operator's own, and those of its DAG.
    :param dag: its DAG, which may have parameters of any name; templates take values from them.
    :raises ConfigurationError: Airflow's ``params`` holds some; they would never reach the API.
    """
    misplaced = sorted(_MESSAGE_PARAMS & set(params or ()) - set(dag.params if dag is not None else ()))
    if misplaced:
        raise ConfigurationError(
            f"`params` is Airflow's own argument, and {', '.join(misplaced)} in it would never reach the API. Give "
            "Messages params as message_params=."
        )


def check_choice(name: str, value: Any, *allowed: str) -> None:
    """Refuse a value that an argument does not allow.

    :raises ConfigurationError: the value is none of the allowed ones.
    """
    if value not in allowed:
        listed = " or ".join(f'"{word}"' for word in allowed)
        raise ConfigurationError(f"{name}= must be {listed}, not {value!r}.")


def check_flag(name: str, value: Any) -> None:
    """Refuse a value that is neither True nor False.

    :raises ConfigurationError: such as for a path, which would only count as true.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}= must be True or False, not a value of type {type(value).__name__}.")


def check_pilot(pilot: Any) -> None:
    """Refuse a value that is no size of a pilot.

    :raises ConfigurationError: it is neither ``"auto"`` nor a whole number from 0.
    """
    is_count = isinstance(pilot, int) and not isinstance(pilot, bool) and 0 <= pilot <= MOST_PILOT_ROWS
    if pilot != "auto" and not is_count:
        raise ConfigurationError(
            f'pilot= must be "auto" or a whole number from 0 to {MOST_PILOT_ROWS:,}, not {pilot!r}.'
        )


def check_prompt_cache_choice(prompt_cache: Any) -> None:
    """Refuse a value that is no time to live of the prompt cache.

    :raises ConfigurationError: it is neither ``"1h"`` nor ``"5m"``, nor None.
    """
    if prompt_cache is not None and prompt_cache not in ("1h", "5m"):
        raise ConfigurationError(
            f'prompt_cache= must be "1h" or "5m", not {prompt_cache!r:.80}. For no prompt cache, leave it out.'
        )


def check_count(name: str, value: Any, *, least: int = 1, most: int | None = None) -> None:
    """Refuse a value that is not a whole number within its limits.

    :param most: the largest allowed number; None for no limit.
    :raises ConfigurationError: the value is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bound = f"{least} or more" if most is None else f"{least} to {most:,}"
        raise ConfigurationError(f"{name}= must be a whole number, {bound}, not {value!r}.")


def seconds_of(duration: timedelta | float) -> float:
    """Return a duration in seconds, however the DAG's author gave it."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
