"""The served models, with the facts that matter here: lifecycle, limits, and the params that they refuse.

This restates https://platform.claude.com/docs/en/models/overview and the model pages as of 2026-11-21.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anthropic_batches_provider.simulator.service.simulated_clock import rfc3339, rfc3339_or_null

EXTENDED_OUTPUT_BETA = "output-300k-2026-03-24"
EXTENDED_OUTPUT_TOKENS = 300_000

# What a model may refuse: values of ``thinking.type``, and params by their names.
_SINCE_4_7 = frozenset(("thinking enabled", "sampling"))
_FABLE_5 = _SINCE_4_7 | {"thinking disabled"}
_WITHOUT_FORCED_TOOLS = _SINCE_4_7 | {"forced tools"}
_ALL_OF_5_5 = _FABLE_5 | {"forced tools"}
_OPUS_4_5 = frozenset(("thinking adaptive", "inference_geo"))
_BEFORE_4_6 = _OPUS_4_5 | {"effort"}


@dataclass(frozen=True)
class Model:
    """A model; dates are ``YYYY-MM-DD``, or empty for none.

    :param cache_minimum: a prompt prefix of fewer tokens is silently not cached.
    :param refuses: the params that it does not take.
    """

    id: str
    released: str
    max_input_tokens: int = 1_000_000
    max_tokens: int = 128_000
    cache_minimum: int = 512
    extended_output: bool = False
    refuses: frozenset[str] = frozenset()
    deprecated: str = ""
    retired: str = ""
    alias: str = ""

    @property
    def line(self) -> str:
        """The API's ``line``, read from the id; a model of an unknown line counts as ``haiku``."""
        return next((line for line in ("haiku", "sonnet", "opus", "fable", "mythos") if line in self.id), "haiku")

    def lifecycle(self, now: float) -> str:
        """Return ``active``, ``deprecated`` or ``retired`` at ``now``; each date applies from its midnight in UTC."""
        if self.retired and now >= _moment(self.retired):
            return "retired"
        if self.deprecated and now >= _moment(self.deprecated):
            return "deprecated"
        return "active"

    def info(self, now: float) -> dict[str, Any]:
        """Return the API's ModelInfo."""
        family, *version = self.id.removeprefix("claude-").split("-")
        number = ".".join(part for part in version if len(part) < 8)
        return {
            "type": "model",
            "id": self.id,
            "display_name": " ".join(("Claude", family.capitalize(), number)).strip(),
            "created_at": rfc3339(_moment(self.released)),
            "lifecycle": self.lifecycle(now),
            "deprecated_at": rfc3339_or_null(_moment(self.deprecated) if self.deprecated else None),
            "retires_at": rfc3339_or_null(_moment(self.retired) if self.retired else None),
            "line": self.line,
            "max_input_tokens": self.max_input_tokens,
            "max_tokens": self.max_tokens,
            "capabilities": {
                "batch": {"supported": True},
                "citations": {"supported": True},
                "structured_outputs": {"supported": True},
                "thinking": {"supported": True},
            },
        }


def _moment(date: str) -> float:
    return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()


def _old(
    id: str, released: str, retired: str, *, max_tokens: int = 32_000, cache_minimum: int = 1024, alias: str = ""
) -> Model:
    return Model(id, released, 200_000, max_tokens, cache_minimum, refuses=_BEFORE_4_6, retired=retired, alias=alias)


KNOWN_MODELS = (
    Model("claude-fable-5-2", "2026-11-09", refuses=_ALL_OF_5_5),
    Model("claude-mythos-5-2", "2026-11-09", refuses=_SINCE_4_7),
    Model("claude-haiku-5-5", "2026-10-07", extended_output=True, refuses=_SINCE_4_7),
    Model("claude-sonnet-5-5", "2026-09-28", extended_output=True, refuses=_WITHOUT_FORCED_TOOLS),
    Model("claude-opus-5-5", "2026-09-22", extended_output=True, refuses=_ALL_OF_5_5),
    Model("claude-fable-5-1", "2026-09-01", refuses=_ALL_OF_5_5),
    Model("claude-mythos-5-1", "2026-09-01", refuses=_SINCE_4_7),
    Model("claude-opus-5", "2026-07-24", extended_output=True, refuses=_SINCE_4_7),
    Model("claude-sonnet-5", "2026-06-30", cache_minimum=1024, extended_output=True, refuses=_SINCE_4_7),
    Model("claude-fable-5", "2026-06-09", refuses=_FABLE_5),
    Model("claude-mythos-5", "2026-06-09", refuses=_SINCE_4_7),
    Model("claude-opus-4-8", "2026-05-28", cache_minimum=1024, extended_output=True, refuses=_SINCE_4_7),
    Model("claude-opus-4-7", "2026-04-16", cache_minimum=2048, extended_output=True, refuses=_SINCE_4_7),
    Model("claude-sonnet-4-6", "2026-02-17", cache_minimum=1024, extended_output=True),
    Model("claude-opus-4-6", "2026-02-05", cache_minimum=4096, extended_output=True),
    Model("claude-opus-4-5-20251101", "2025-11-24", 200_000, 64_000, 4096, refuses=_OPUS_4_5, alias="claude-opus-4-5"),
    Model(
        "claude-haiku-4-5-20251001", "2025-10-15", 200_000, 64_000, 4096, refuses=_BEFORE_4_6, alias="claude-haiku-4-5"
    ),
    Model(
        "claude-sonnet-4-5-20250929",
        "2025-09-29",
        200_000,
        64_000,
        1024,
        refuses=_BEFORE_4_6,
        deprecated="2026-09-30",
        retired="2026-11-30",
        alias="claude-sonnet-4-5",
    ),
    _old("claude-opus-4-1-20250805", "2025-08-05", "2026-08-05", alias="claude-opus-4-1"),
    _old("claude-opus-4-20250514", "2025-05-14", "2026-06-15"),
    _old("claude-sonnet-4-20250514", "2025-05-14", "2026-06-15", max_tokens=64_000),
    _old("claude-3-7-sonnet-20250219", "2025-02-19", "2026-02-19", max_tokens=64_000),
    _old("claude-3-5-haiku-20241022", "2024-10-22", "2026-02-19", max_tokens=8_192, cache_minimum=2048),
    _old("claude-3-5-sonnet-20241022", "2024-10-22", "2025-10-28", max_tokens=8_192),
    _old("claude-3-haiku-20240307", "2024-03-07", "2026-04-20", max_tokens=4_096),
    _old("claude-3-opus-20240229", "2024-02-29", "2026-01-05", max_tokens=4_096),
)

_BY_NAME = {name: model for model in KNOWN_MODELS for name in (model.id, model.alias) if name}


def find_model(name: object, *, now: float, extra: tuple[str, ...] = ()) -> Model | None:
    """Return the model of this id or alias; None if it is not served at ``now``."""
    if not isinstance(name, str):
        return None
    model = _BY_NAME.get(name)
    if model is not None:
        return None if model.lifecycle(now) == "retired" else model
    return Model(name, "2026-01-01") if name in extra else None


def models_page(now: float, *, lifecycle: frozenset[str], extra: tuple[str, ...]) -> list[dict[str, Any]]:
    """List the models of these lifecycles in the API's form, newest first; ``extra`` ones come last."""
    known = [*KNOWN_MODELS, *(Model(name, "2026-01-01") for name in extra if name not in _BY_NAME)]
    return [model.info(now) for model in known if model.lifecycle(now) in lifecycle]
