"""Checks the rules of prose that a machine can check: ``python -m tools.prose``, part of ``make lint``.

CONTRIBUTING.md has the rules. This module holds two of them: phrases that readers stumble over, in all text files; and
one sentence a line, in Markdown. codespell checks the spelling.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".md", ".toml", ".in", ".sh", ""}
EXEMPT = {"CONTRIBUTING.md", "CHANGELOG.md", "tools/prose.py", "tests/unit/tools/test_prose.py"}  # quote the phrases

#: Phrase (a regular expression) -> words to use instead.
PHRASES = {
    r"bring(s|ing)? forth|brought forth": "produce, create",
    r"hang(s)? on (?!to\b)": "depend on",
    r"(to|can|could|not) be had": "available",
    r"seen to(?! (be|have|go|end))\b": "handled",
    r"go(es)? again|went again": "send again, retry",
    r"mend(s|ed|ing)?": "fix",
    r"whoever": "the caller, anyone who",
    r"for want of": "because … is missing",
    r"for people": "human-readable",
    r"the whole way": "end to end",
    r"comes? along": "name the thing: key and kept columns",
    r"told (apart|from)|tells? apart": "distinguish",
    r"a doubt|in doubt": "unresolved; its outcome is unknown",
}  # fmt: skip

_PHRASES = [(re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE), better) for phrase, better in PHRASES.items()]
_CODE = re.compile(r"`[^`]*`|\]\([^)]*\)")
_SECOND_SENTENCE = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\d)[.!?][)\"'”*_]* +(?=[\"'“(*_\[]*[A-Z])")


def problems_of(path: str, text: str) -> Iterator[str]:
    """Yield a line ``path:line: problem`` for each problem of one file."""
    yield from _phrases_of(path, text)
    if path.endswith(".md"):
        yield from _crowded_lines_of(path, text)


def _phrases_of(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for phrase, better in _PHRASES:
            for found in phrase.finditer(line):
                yield f"{path}:{number}: “{found[0]}”: say {better}"


def _crowded_lines_of(path: str, text: str) -> Iterator[str]:
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.startswith("```")
        is_prose = not fenced and not line.startswith(("|", "    ", "```", "<!--"))
        if is_prose and _SECOND_SENTENCE.search(_CODE.sub("X", line)):
            yield f"{path}:{number}: more than one sentence on a line"


def checked_files() -> list[str]:
    """Return the paths of all text files that git knows or would add, but for those that quote the phrases."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the developer's PATH
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return [path for path in listed if Path(path).suffix in SUFFIXES and path not in EXEMPT and (ROOT / path).is_file()]


def main() -> int:
    """Print every problem, and return 1 if there is one."""
    problems = [
        problem for path in checked_files() for problem in problems_of(path, (ROOT / path).read_text(errors="replace"))
    ]
    print("\n".join(problems) or "Prose: no problems found.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
