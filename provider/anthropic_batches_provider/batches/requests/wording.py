"""Names rows, columns and values in messages: short and on one line, whatever the data holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_SHOWN_CHARACTERS = 80
_SHOWN_NAMES = 20


def row_name(number: int) -> str:
    """Return ``Row 7 (the first is 0)``, to begin a sentence."""
    return f"Row {number} (the first is 0)"


def shortened(value: str | bytes, limit: int = _SHOWN_CHARACTERS) -> str:
    """Return at most ``limit`` characters on one line; control characters and undecodable bytes are escaped."""
    text = value[: limit * 4].decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value[: limit * 4]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def listed(names: Iterable[object]) -> str:
    """Return names for a message, ``a, b, c``; long lists are cut, an empty one is ``none``.

    A name is in quotation marks if it would look like several, or like another.
    """
    shown = [shortened(_as_one_name(str(name)), 40) for name in names]
    more = len(shown) - _SHOWN_NAMES
    return ", ".join(shown[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "") or "none"


def _as_one_name(name: str) -> str:
    return repr(name) if "," in name or name != name.strip() else name


def in_other_form(name: object, names: Iterable[object]) -> str | None:
    """Return the name that is the same as a missing one in another Unicode form, such as NFC and NFD; or None."""
    if not isinstance(name, str):
        return None
    form = unicodedata.normalize("NFKC", name)
    others = (other for other in names if isinstance(other, str) and unicodedata.normalize("NFKC", other) == form)
    return next(others, None)


def reason(error: BaseException) -> str:
    """Return the type and the shortened text of an error, for a message about its consequence."""
    return f"{type(error).__name__}: {shortened(str(error), 300)}"
