"""A text that matches a regular expression, for schemas with ``pattern``."""

from __future__ import annotations

import random
import re
from re import _constants as _codes  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

LONGEST_REPEAT = 3

# The parser of ``re`` is private to Python, but saves us one of our own; test_schema_answers notices if it changes.
_OF_CATEGORY = {
    _codes.CATEGORY_DIGIT: "0123456789",
    _codes.CATEGORY_NOT_DIGIT: "abcdefgh",
    _codes.CATEGORY_SPACE: " ",
    _codes.CATEGORY_NOT_SPACE: "abcdefgh",
    _codes.CATEGORY_WORD: "abcdefgh0123",
    _codes.CATEGORY_NOT_WORD: "-",
}
_PRINTABLE = "".join(map(chr, range(32, 127)))


def matching_text(pattern: str, chance: random.Random) -> str:
    """Make a text in which ``pattern`` is found.

    :raises ValueError: the pattern uses unsupported features (look-arounds, conditions).
    """
    text = _sequence(_parser.parse(pattern), chance, {})
    if re.search(pattern, text) is None:
        raise ValueError(f"could not make a text that matches {pattern!r}")
    return text


def _sequence(tokens: Any, chance: random.Random, groups: dict[int, str]) -> str:
    return "".join(_token(code, value, chance, groups) for code, value in tokens)


def _token(code: Any, value: Any, chance: random.Random, groups: dict[int, str]) -> str:
    if code is _codes.LITERAL:
        return chr(value)
    if code is _codes.NOT_LITERAL:
        return "b" if value == ord("a") else "a"
    if code is _codes.ANY:
        return "a"
    if code is _codes.IN:
        return _one_of(value, chance)
    if code is _codes.AT:
        return ""
    if code in (_codes.MAX_REPEAT, _codes.MIN_REPEAT):
        lowest, highest, repeated = value
        times = chance.randint(lowest, max(lowest, min(int(highest), lowest + LONGEST_REPEAT)))
        return "".join(_sequence(repeated, chance, groups) for _ in range(times))
    if code is _codes.SUBPATTERN:
        group, *_, inner = value
        text = _sequence(inner, chance, groups)
        if group is not None:
            groups[group] = text
        return text
    if code is _codes.BRANCH:
        return _sequence(chance.choice(value[1]), chance, groups)
    if code is _codes.GROUPREF:
        return groups.get(value, "")
    raise ValueError(f"cannot make a text for {code}")


def _one_of(choices: Any, chance: random.Random) -> str:
    negated = choices[0][0] is _codes.NEGATE
    letters: set[str] = set()
    for code, value in choices[1 if negated else 0 :]:
        if code is _codes.LITERAL:
            letters.add(chr(value))
        elif code is _codes.RANGE:
            letters.update(map(chr, range(value[0], min(value[1], value[0] + 127) + 1)))
        elif code is _codes.CATEGORY:
            letters.update(_OF_CATEGORY[value])
    return chance.choice(sorted(set(_PRINTABLE) - letters if negated else letters))
