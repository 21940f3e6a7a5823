"""The table of docs/constants.md: the constants that decide something, with their values from the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from tools.constants import CONSTANTS

PACKAGE = "anthropic_batches_provider"
_UNITS_OF_TIME = ((86_400, "days"), (3600, "h"), (60, "min"))


def constants_table() -> list[str]:
    """Return the table as lines of Markdown."""
    return [
        "| Constant | Value | What it decides |",
        "|---|---|---|",
        *(
            f"| `{module}.{name}` | {_shown(_value(module, name), unit)} | {why} |"
            for module, constants in CONSTANTS.items()
            for name, (unit, why) in constants.items()
        ),
    ]


def _value(module: str, name: str) -> Any:
    found: Any = import_module(f"{PACKAGE}.{module}")
    for part in name.split("."):
        if isinstance(found, type) and is_dataclass(found):
            found = next(field.default for field in fields(found) if field.name == part)
        else:
            found = getattr(found, part)
    return found


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} `{each}`" for key, each in value.items())
    if isinstance(value, timedelta):
        return _duration(value.total_seconds())
    if isinstance(value, frozenset | tuple):
        numbers = sorted(value) if isinstance(value, frozenset) else value
        return f"{', '.join(f'{number:g}' for number in numbers)} {unit}".rstrip()
    if unit == "s":
        return _duration(value)
    if unit == "bytes" and value & (value - 1) == 0:
        return f"{value >> 20} MiB" if value >= 1 << 20 else f"{value >> 10} KiB"
    return f"{value:,} {unit}"


def _duration(seconds: float) -> str:
    for size, unit in _UNITS_OF_TIME:
        if seconds % size == 0 and (seconds > size or unit != "days"):
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:g} s"
