"""Writes measured tables into the page that explains them; the words around them are the page's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from benchmarks.peers_environment import REPOSITORY

PAGE = REPOSITORY / "docs" / "benchmarks.md"


def measured(table: Sequence[str], versions: Mapping[str, str], seconds: float) -> list[str]:
    """Return the table, headed by when and with what it was measured."""
    with_what = ", ".join(f"{name} {version}" for name, version in versions.items())
    when = datetime.now(UTC).date().isoformat()
    return [f"Measured on {when} in {seconds / 60:.0f} minutes, on {os.cpu_count()} cores: {with_what}.", "", *table]


def write(section: str, lines: Sequence[str]) -> None:
    """Put the lines between the marks of a section of the page.

    :raises ValueError: the page has no such section.
    """
    begin, end = f"<!-- measured: {section} -->\n", "<!-- end of what was measured -->\n"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{PAGE.name} has no section {section}")
    PAGE.write_text(before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after, encoding="utf-8")
