"""The rules of the API's prompt cache: how long an entry lives, what a prefix needs, and what reads and writes cost.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (seen 2026-11-27)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pendulum

CacheTtl = Literal["5m", "1h"]

LIFE: dict[CacheTtl, pendulum.Duration] = {"5m": pendulum.duration(minutes=5), "1h": pendulum.duration(hours=1)}
"""How long an entry lives after it was written or read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCache:
    """How a job asks for the prompt cache.

    :param ttl: how long an entry is to live.
    :param shared_blocks: how many content blocks of the first user message all rows share; 0 if the prefix ends with
        ``system`` or ``tools``.
    """

    ttl: CacheTtl
    shared_blocks: int = 0
