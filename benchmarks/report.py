"""Writes measured tables into the pages that explain them; the surrounding text belongs to the pages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers_environment import REPOSITORY

PAGES = tuple(REPOSITORY / "docs" / name for name in ("benchmarks.md", "prompt_cache.md", "money.md"))
_BUSY = 0.5  # running or waiting processes from which on the machine does not count as idle


@dataclass(frozen=True)
class Section:
    """A table and its place.

    :param name: the name of its section of the page.
    :param rounds: how often the whole table was measured.
    """

    name: str
    table: Sequence[str]
    rounds: int = 1


def load() -> float:
    """Return how many processes ran or waited to run, on average over the last minute."""
    return os.getloadavg()[0]


def measured(section: Section, versions: Mapping[str, str], seconds: float, load_before: float) -> list[str]:
    """Return the table under a line that says when, how often, on which machine and with which versions.

    :param load_before: the result of :func:`load` before anything was measured.
    """
    with_what = ", ".join(f"{name} {version}" for name, version in versions.items())
    when = datetime.now(UTC).date().isoformat()
    minutes = round(seconds / 60)
    how = f"{_counted(section.rounds, 'round')}, {_counted(minutes, 'minute') if minutes else 'less than a minute'}"
    where = f"on {_counted(os.cpu_count() or 1, 'core')}"
    if load_before >= _BUSY:
        where += f" that were busy (load {load_before:.1f} at the start)"
    return [f"Measured on {when} in {how}, {where}: {with_what}.", "", *section.table]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def write(section: str, lines: Sequence[str]) -> None:
    """Write the lines between the marks of a section, in each page that has it.

    :raises ValueError: no page has such a section.
    """
    pages = [page for page in PAGES if _write(page, section, lines)]
    if not pages:
        names = " and ".join(page.name for page in PAGES)
        raise ValueError(f"{names} have no section {section}; add the two marks of the section to one")


def _write(page: Path, section: str, lines: Sequence[str]) -> bool:
    begin, end = f"<!-- measured: {section} -->\n", "<!-- end of what was measured -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if found:
        page.write_text(before + begin + "\n" + "\n".join(lines) + "\n\n" + end + after, encoding="utf-8")
    return bool(found)
